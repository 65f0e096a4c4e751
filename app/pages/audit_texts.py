"""What the audit console says, in each language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _(english: str, arabic: str) -> Mapping[str, str]:
    return {"en": english, "ar": arabic}


AUDIT_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "audit": _("Access log", "سجل الاطلاع"),
    "audit-only": _("This page is for auditors.", "هذه الصفحة للمدققين فقط."),
    "audit-search": _("Search", "بحث"),
    "audit-patient": _("Client (id)", "العميل (المعرّف)"),
    "audit-user": _("User (name)", "المستخدم (الاسم)"),
    "audit-program": _("Program (id)", "البرنامج (المعرّف)"),
    "audit-purpose": _("Purpose", "الغرض"),
    "audit-any": _("any", "أي"),
    "audit-since": _("From day", "من يوم"),
    "audit-until": _("To day", "إلى يوم"),
    "audit-outcome": _("Outcome", "النتيجة"),
    "audit-done": _("done", "تم"),
    "audit-refused": _("refused or failed", "رُفض أو فشل"),
    "audit-break-glass": _("Break-glass only", "كسر الزجاج فقط"),
    "audit-when": _("When (UTC)", "الوقت (UTC)"),
    "audit-who": _("Who", "من"),
    "audit-did": _("Did", "الإجراء"),
    "audit-what": _("What", "ماذا"),
    "audit-whose": _("Whose", "سجل من"),
    "audit-why": _("Why it was allowed", "سبب السماح"),
    "audit-why-not": _("Why", "السبب"),
    "audit-none": _("Nothing was found.", "لم يُعثر على شيء."),
    "audit-older": _("Older", "الأقدم"),
    "audit-newest": _("Newest", "الأحدث"),
    "audit-csv": _("Table (CSV)", "جدول (CSV)"),
    "audit-ndjson": _("AuditEvents (NDJSON)", "أحداث FHIR (NDJSON)"),
    "audit-timeline": _("Timeline", "الخط الزمني"),
    "audit-of": _("Access to", "الاطلاع على"),
    "audit-list": _("List", "القائمة"),
    "audit-alerts": _("Alerts", "التنبيهات"),
    "audit-event": _("Event", "الحدث"),
    "audit-details": _("Details", "التفاصيل"),
    "audit-decision": _("Decision", "القرار"),
    "audit-permit": _("permitted", "مسموح"),
    "audit-deny": _("denied", "مرفوض"),
    "audit-consent": _("Consent", "الموافقة"),
    "audit-version": _("version", "الإصدار"),
    "audit-provision": _("Provision", "البند"),
    "audit-entry": _("Entry in the tree", "رقم القيد في الشجرة"),
    "audit-waiting": _("waits for its place", "ينتظر مكانه"),
    "audit-request": _("Request", "الطلب"),
    "audit-address": _("Network address", "عنوان الشبكة"),
    "audit-asked": _(
        "Asked by (values are in the FHIR record only)", "معايير البحث (القيم في سجل FHIR فقط)"
    ),
    "audit-sound": _("The log is whole", "السجل سليم"),
    "audit-unsound": _("The log needs attention", "السجل يحتاج إلى انتباه"),
    "audit-entries": _("entries, checkpoint of", "قيداً، نقطة التحقق بتاريخ"),
    "audit-problem-none": _("There is no checkpoint yet.", "لا توجد نقطة تحقق بعد."),
    "audit-problem-root": _(
        "The newest checkpoint does not match the log: it was changed.",
        "أحدث نقطة تحقق لا تطابق السجل: لقد تم تغييره.",
    ),
    "audit-problem-late": _(
        "Records wait for their place in the log.", "هناك سجلات تنتظر مكانها في السجل."
    ),
    "audit-problem-copy": _(
        "A copy of a checkpoint contradicts the log.", "نسخة من نقطة تحقق تناقض السجل."
    ),
    "audit-problem-set-back": _(
        "A copy has seen more than the log holds: the log was set back or cut off.",
        "نسخة رأت أكثر مما في السجل: لقد أُعيد السجل إلى الوراء أو قُطع.",
    ),
    "audit-picture": _(
        "Each mark is one access: a circle for reading, a square for writing, a triangle for "
        "what was refused, a star for break-glass. The list below says the same.",
        "كل علامة هي اطلاع واحد: دائرة للقراءة، ومربع للكتابة، ومثلث لما رُفض، ونجمة لكسر الزجاج. "
        "والقائمة أدناه تقول الشيء نفسه.",
    ),
    "audit-more": _("Only the newest are shown.", "يُعرض الأحدث فقط."),
    "audit-no-alerts": _("There are no alerts.", "لا توجد تنبيهات."),
    "audit-about": _("About", "بشأن"),
    "audit-count": _("Count", "العدد"),
    "audit-basis-role": _("role", "الدور"),
    "audit-basis-scope": _("scope", "نطاق الإذن"),
    "audit-basis-care-relationship": _("care relationship", "علاقة الرعاية"),
    "audit-basis-consent": _("consent", "الموافقة"),
    "audit-basis-label": _("label", "التصنيف"),
    "audit-basis-partner": _("partner", "الشريك"),
    "audit-basis-tenant": _("clinic", "العيادة"),
    "audit-basis-break-glass": _("break-glass", "كسر الزجاج"),
}
