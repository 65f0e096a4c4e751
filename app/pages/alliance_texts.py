"""What the pages about the alliance say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ALLIANCE_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "paper-title": {"en": "Answers from paper", "ar": "إجابات من ورقة"},
    "paper-hint": {
        "en": "Enter what the client wrote, and leave out what was left out. A private answer is"
        " not asked for here: the client gives it themselves.",
        "ar": "أدخل ما كتبه العميل، واترك ما تركه. لا يُسأل هنا عن الإجابة الخاصة: يعطيها العميل"
        " بنفسه.",
    },
    "paper-answered": {"en": "Answered on", "ar": "تاريخ الإجابة"},
    "paper-when": {
        "en": "Say on which day it was answered, today at the latest.",
        "ar": "اذكر يوم الإجابة، على ألا يتجاوز اليوم.",
    },
    "paper-keep": {"en": "Keep", "ar": "حفظ"},
    "paper-kept": {"en": "The answers were kept.", "ar": "حُفظت الإجابات."},
    "alliance-asked": {"en": "Waiting for answers", "ar": "بانتظار الإجابات"},
    "alliance-device": {"en": "Answer on this device", "ar": "الإجابة على هذا الجهاز"},
    "alliance-paper": {"en": "Enter from paper", "ar": "إدخال من ورقة"},
    "alliance-own": {"en": "Answer yourself", "ar": "إجابتك أنت"},
    "alliance-own-first": {
        "en": "Say first how you saw the session. What the client said of it is shown after.",
        "ar": "قُل أولًا كيف رأيت الجلسة. يظهر ما قاله العميل عنها بعد ذلك.",
    },
    "alliance-title": {"en": "How the work is going", "ar": "كيف يسير العمل معًا"},
    "alliance-caseload": {"en": "Your clients", "ar": "عملاؤك"},
    "alliance-series": {"en": "Scores", "ar": "الدرجات"},
    "alliance-expected": {"en": "Expected", "ar": "المتوقَّع"},
    "alliance-standing": {"en": "Held against it", "ar": "مقارنةً به"},
    "alliance-grey": {"en": "nothing to say", "ar": "لا شيء يُقال"},
    "alliance-green": {"en": "as expected", "ar": "كما هو متوقَّع"},
    "alliance-orange": {"en": "within tolerance", "ar": "ضمن حدّ السماح"},
    "alliance-red": {"en": "worth checking in", "ar": "يستحق السؤال عنه"},
    "alliance-alerts": {"en": "Worth a word", "ar": "يستحق الحديث عنه"},
    "alliance-invitation": {
        "en": "An alert is an invitation to talk about how the work is going, not a finding.",
        "ar": "التنبيه دعوة إلى الحديث عن سير العمل معًا، لا حُكم.",
    },
    "alliance-not-validated": {
        "en": "Not validated: no norms, no cut-offs.",
        "ar": "لم يُتحقَّق من صدقه علميًّا: بلا معايير ولا درجات فاصلة.",
    },
    "alliance-session": {"en": "Session", "ar": "الجلسة"},
    "alliance-rule": {"en": "Rule", "ar": "القاعدة"},
    "alliance-saw": {"en": "What it saw", "ar": "ما رصدته"},
    "alliance-state": {"en": "State", "ar": "الحالة"},
    "alliance-card-overridden": {
        "en": "Set aside in the record system",
        "ar": "صُرف النظر عنه في نظام السجلات",
    },
    "alliance-card-accepted": {
        "en": "To be talked about, says the record system",
        "ar": "سيُتحدَّث عنه، بحسب نظام السجلات",
    },
    "alliance-nothing": {"en": "Nothing yet.", "ar": "لا شيء بعد."},
    "alliance-missing": {"en": "No answer", "ar": "لا إجابة"},
    "alliance-client": {"en": "Client", "ar": "العميل"},
    "alliance-open": {"en": "Unresolved", "ar": "لم يُبتّ فيه"},
    "alliance-since": {"en": "Since", "ar": "منذ"},
    "alliance-answered": {"en": "Answered", "ar": "الإجابات"},
    "alliance-overdue": {"en": "Overdue", "ar": "متأخر"},
    "alliance-print": {"en": "For print", "ar": "للطباعة"},
    "alliance-limit": {"en": "held against", "ar": "قورنت بـ"},
    "alliance-pre": {"en": "before", "ar": "قبلها"},
    "alliance-nadir": {"en": "lowest", "ar": "الأدنى"},
    "alliance-repaired": {"en": "back in session", "ar": "عادت في الجلسة"},
}
