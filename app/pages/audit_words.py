"""What the log records by codes, in the words of people: events, roles, purposes and alerts.

In English an event is called what FHIR, DICOM or ``fhir/audit/kinds.py`` call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.fhir.audit.kinds import KINDS
from app.services.audit_watch import alert_rules

EVENTS: Final[Mapping[str, str]] = {
    "read": "قراءة",
    "vread": "قراءة إصدار سابق",
    "history-instance": "قراءة تاريخ سجل",
    "create": "إنشاء",
    "update": "تعديل",
    "patch": "تعديل جزئي",
    "delete": "حذف",
    "search-type": "بحث",
    "search-system": "بحث في كل الأنواع",
    "history-type": "قراءة تاريخ نوع",
    "history-system": "قراءة التاريخ كله",
    "operation": "عملية",
    "batch": "دفعة طلبات",
    "transaction": "معاملة",
    "request": "طلب رُفض كما ورد",
    "capabilities": "قراءة القدرات",
    "consent-decision": "قرار وفق موافقة",
    "token-issued": "إصدار رمز دخول",
    "token-refreshed": "تجديد رمز دخول",
    "token-revoked": "إلغاء رمز دخول",
    "token-introspected": "فحص رمز دخول",
    "unauthenticated": "طلب بلا رمز صالح",
    "code-reused": "إعادة استخدام رمز تفويض",
    "refresh-reused": "إعادة استخدام رمز تجديد",
    "authorization": "تفويض برنامج من مستخدم",
    "launch-created": "إنشاء سياق تشغيل",
    "login": "تسجيل دخول",
    "logout": "تسجيل خروج",
    "second-factor-added": "إضافة خطوة ثانية",
    "second-factor-removed": "إزالة الخطوة الثانية",
    "recovery-code-used": "استخدام رمز استرداد",
    "password-changed": "تغيير كلمة المرور",
    "reset-requested": "طلب إعادة تعيين كلمة المرور",
    "invitation-created": "إنشاء دعوة",
    "invitation-accepted": "قبول دعوة",
    "account-created": "إنشاء حساب",
    "account-changed": "تعديل حساب",
    "account-disabled": "تعطيل حساب",
    "client-registered": "تسجيل برنامج",
    "client-changed": "تعديل برنامج",
    "policy-changed": "تغيير سياسة الخصوصية",
    "provider-changed": "تغيير جهة الهوية",
    "break-glass": "بدء كسر الزجاج",
    "break-glass-ended": "انتهاء كسر الزجاج",
    "role-changed": "تغيير دور",
    "key-used": "استخدام مفتاح",
    "key-rotated": "تبديل مفتاح",
    "key-destroyed": "إتلاف مفتاح",
    "destruction-asked": "طلب إتلاف مفتاح",
    "hold-placed": "فرض حفظ قانوني",
    "hold-released": "رفع الحفظ القانوني",
    "retention-changed": "تغيير مدة الحفظ",
    "settings-changed": "تغيير الإعدادات",
    "clock-set-back": "إرجاع الساعة إلى الوراء",
    "alert": "اطلاع غير معتاد",
    "export-started": "بدء تصدير",
    "export-finished": "انتهاء تصدير",
    "export-downloaded": "تنزيل تصدير",
    "backup-written": "كتابة نسخة احتياطية",
    "backup-restored": "استعادة نسخة احتياطية",
    "rescored": "إعادة احتساب النتائج",
    "notification": "تسليم إشعار اشتراك",
    "audit-used": "قراءة سجل الاطلاع",
    "audit-exported": "تصدير سجل الاطلاع",
    "log-restored": "إرجاع سجل الاطلاع",
    "audit-retained": "إزالة قيود انقضت مدة حفظها",
}
ROLES: Final[Mapping[str, str]] = {
    "client": "عميل",
    "therapist": "معالج",
    "co_therapist": "معالج مشارك",
    "supervisor": "مشرف",
    "clinical_lead": "قائد سريري",
    "reception": "استقبال",
    "researcher": "باحث",
    "auditor": "مدقق",
    "admin": "مدير",
    "system": "نظام",
    "outside_system": "نظام خارجي",
}
# https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html
PURPOSES: Final[Mapping[str, Mapping[str, str]]] = {
    "TREAT": {"en": "treatment", "ar": "علاج"},
    "BTG": {"en": "break the glass", "ar": "كسر الزجاج"},
    "ETREAT": {"en": "emergency treatment", "ar": "علاج طارئ"},
    "HOPERAT": {"en": "healthcare operations", "ar": "إدارة الرعاية"},
    "HPAYMT": {"en": "payment", "ar": "الدفع"},
    "PATRQT": {"en": "patient requested", "ar": "طلب العميل"},
    "HRESCH": {"en": "research", "ar": "بحث علمي"},
    "PUBHLTH": {"en": "public health", "ar": "صحة عامة"},
}
ALERTS: Final[Mapping[str, str]] = {
    "bulk-reading": "قرأ شخص واحد سجلات عملاء كثيرين في وقت قصير",
    "outside-care": "قرأ أحد الموظفين سجل عميل لا يعالجه",
    "night-break-glass": "كسر الزجاج ليلاً",
}


def event(kind: str, language: str) -> str:
    """What was done."""
    return EVENTS[kind] if language == "ar" else KINDS[kind].subtype.get("display", kind)


def role(code: str, language: str) -> str:
    """As what somebody acted; a role that is not ours stays as it is."""
    return ROLES.get(code, code) if language == "ar" else code


def purpose(code: str, language: str) -> str:
    """For what it was; a code that has no words stays as it is."""
    return PURPOSES.get(code, {}).get(language, code)


def alert(code: str | None, language: str) -> str:
    """What was found unusual."""
    if language == "ar":
        return ALERTS.get(code or "", code or "")
    return next((rule.text for rule in alert_rules() if rule.code == code), code or "")
