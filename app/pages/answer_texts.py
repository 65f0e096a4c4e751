"""What the page for answering a form says. Nothing on it tells what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ANSWER_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "answer-title": {"en": "A few questions", "ar": "بعض الأسئلة"},
    "answer-hint": {
        "en": "There are no right or wrong answers. Leave out what you would rather not say.",
        "ar": "لا توجد إجابات صحيحة أو خاطئة. اترك ما لا ترغب في الإجابة عنه.",
    },
    "answer-send": {"en": "Send", "ar": "إرسال"},
    "answer-exit": {"en": "Leave this page", "ar": "مغادرة هذه الصفحة"},
    "answer-yes": {"en": "Yes", "ar": "نعم"},
    "answer-no": {"en": "No", "ar": "لا"},
    "answer-from": {"en": "From", "ar": "من"},
    "answer-to": {"en": "to", "ar": "إلى"},
    "answer-nothing": {
        "en": "Nothing was answered yet.",
        "ar": "لم تتم الإجابة عن أي سؤال بعد.",
    },
    "answer-wrong": {
        "en": "Something in the answers does not fit. Please look through them again.",
        "ar": "هناك ما لا يناسب في الإجابات. يُرجى مراجعتها مرة أخرى.",
    },
    "answer-thanks": {"en": "Thank you. That is all.", "ar": "شكرًا لك. هذا كل شيء."},
    "answer-close": {"en": "You can close this page.", "ar": "يمكنك إغلاق هذه الصفحة."},
    "answer-left": {"en": "Nothing was sent.", "ar": "لم يُرسل أي شيء."},
    "answer-back": {
        "en": "You can give this device back.",
        "ar": "يمكنك إعادة هذا الجهاز.",
    },
    "answer-gone": {
        "en": "This link is no longer in use. Ask for a new one.",
        "ar": "لم يعد هذا الرابط صالحًا. اطلب رابطًا جديدًا.",
    },
    "answer-help": {
        "en": "If you need help right now, call your local emergency number or somebody you trust.",
        "ar": "إذا كنت بحاجة إلى مساعدة الآن، فاتصل برقم الطوارئ المحلي أو بشخص تثق به.",
    },
}
