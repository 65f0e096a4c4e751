"""What a client's own pages say, in plain words. Titles are neutral: others may see the phone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _(english: str, arabic: str) -> Mapping[str, str]:
    return {"en": english, "ar": arabic}


ME_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "me-title": _("Your page", "صفحتك"),
    "me-only": _("This page is for clients.", "هذه الصفحة للعملاء."),
    "me-record": _("What is kept", "ما هو محفوظ"),
    "me-consents": _("Who may see it", "من يحق له الاطلاع"),
    "me-looks": _("Who looked", "من اطّلع"),
    "me-open": _("Your page", "صفحتك"),
    "me-sessions": _("Appointments", "المواعيد"),
    "me-scores": _("Your results", "نتائجك"),
    "me-answers": _("Forms you answered", "الاستبيانات التي أجبت عنها"),
    "me-goals": _("Your goals", "أهدافك"),
    "me-nothing": _("There is nothing yet.", "لا يوجد شيء بعد."),
    "me-course": _("See how it moves", "عرض المسار"),
    "me-what": _("What", "ماذا"),
    "me-value": _("Value", "القيمة"),
    "me-decided": _("What you decided", "ما قرّرته"),
    "me-decided-none": _(
        "You have not decided anything yet. The people who treat you here, and those who oversee "
        "them, can see what they need.",
        "لم تقرّر شيئاً بعد. يمكن لمن يعالجونك هنا ولمن يشرفون عليهم الاطلاع على ما يحتاجون إليه.",
    ),
    "me-withdraw": _("Withdraw", "سحب"),
    "me-withdrawn": _("It no longer counts, from this moment.", "لم يعد سارياً منذ هذه اللحظة."),
    "me-saved": _("It counts from this moment.", "أصبح سارياً منذ هذه اللحظة."),
    "me-since": _("since", "منذ"),
    "me-ended": _("no longer counts", "لم يعد سارياً"),
    "me-cannot": _(
        "This cannot be followed by the system. Ask the clinic about it.",
        "لا يستطيع النظام تنفيذ هذا. اسأل العيادة عنه.",
    ),
    "me-signed": _("signed by you", "موقّع منك"),
    "me-recorded": _("recorded by the clinic", "سجّلته العيادة"),
    "me-decide": _("Decide something", "اتخاذ قرار"),
    "me-share": _("Let somebody see it", "السماح لجهة بالاطلاع"),
    "me-share-hint": _(
        "Another organisation sees nothing of yours unless you allow it.",
        "لا ترى أي جهة أخرى شيئاً عنك ما لم تسمح بذلك.",
    ),
    "me-who": _("Who", "من"),
    "me-how-much": _("How much", "ما مقدار ذلك"),
    "me-basic": _("Only that you come here, and when", "فقط أنك تأتي إلى هنا، ومتى"),
    "me-full": _("Also your answers and results", "وكذلك إجاباتك ونتائجك"),
    "me-last-day": _("Until (leave empty for no end)", "حتى (اتركه فارغاً إذا لم يكن له نهاية)"),
    "me-allow": _("Allow", "السماح"),
    "me-stop": _("Stop somebody from seeing it", "منع الاطلاع"),
    "me-stop-hint": _(
        "They can no longer see what others wrote about you. What they wrote themselves stays "
        "with them.",
        "لن يتمكنوا بعد الآن من رؤية ما كتبه الآخرون عنك. أما ما كتبوه بأنفسهم فيبقى لديهم.",
    ),
    "me-everybody": _("Everybody but me", "الجميع ما عداي"),
    "me-emergency": _(
        "Except in an emergency, which you would be told of",
        "إلا في حالة الطوارئ، وسيتم إعلامك بها",
    ),
    "me-forbid": _("Stop", "منع"),
    "me-couple": _("Share what is about both of you", "مشاركة ما يخصّكما معاً"),
    "me-couple-hint": _(
        "You both see what is about both of you only while each of you allows it. Your own "
        "answers are never shown to your partner.",
        "يرى كلاكما ما يخصّكما معاً فقط ما دام كل منكما يسمح بذلك. ولا تُعرض إجاباتك الخاصة على "
        "شريكك أبداً.",
    ),
    "me-no-choice": _("Choose who.", "اختر من."),
    "me-no-date": _("This is not a day to come.", "هذا ليس يوماً قادماً."),
    "me-changed": _(
        "It was changed meanwhile. Look again.", "تم تغييره في هذه الأثناء. انظر مجدداً."
    ),
    "me-looks-hint": _(
        "Everybody else who opened something of yours, newest first.",
        "كل من فتح شيئاً يخصّك سواك، الأحدث أولاً.",
    ),
    "me-looks-none": _("Nobody has looked.", "لم يطّلع أحد."),
    "me-times": _("times", "مرات"),
    "me-glass": _("opened in an emergency", "فُتح في حالة طوارئ"),
    "me-glass-began": _("declared an emergency to open your record", "أعلن حالة طوارئ لفتح سجلك"),
    "me-glass-ended": _(
        "the emergency ended, and what it opened is closed",
        "انتهت حالة الطوارئ وأُغلق ما فُتح بها",
    ),
    "me-by-consent": _("as you allowed", "كما سمحت"),
    "me-program": _("a program", "برنامج"),
    # Sentences about a decision: who, what, for what and how long are put in.
    "me-permits": _(
        "{who} may see {what}{why}{end}.", "يحق لـ {who} الاطلاع على {what}{why}{end}."
    ),
    "me-denies": _(
        "{who} may not see {what}{why}{end}.", "لا يحق لـ {who} الاطلاع على {what}{why}{end}."
    ),
    "me-anybody": _("Anybody", "أي شخص"),
    "me-nobody": _(
        "Nobody but you may see {what}{why}{end}.", "لا يحق لأحد سواك الاطلاع على {what}{why}{end}."
    ),
    "me-you-two": _("You and your partner", "أنت وشريكك"),
    "me-joint": _("what is about both of you", "ما يخصّكما معاً"),
    "me-all": _("your record", "سجلك"),
    "me-some": _("a part of your record", "جزء من سجلك"),
    "me-level-n": _("that you come here and when", "أنك تأتي إلى هنا ومتى"),
    "me-level-r": _("your record with answers and results", "سجلك مع الإجابات والنتائج"),
    "me-level-above": _("your answers and results", "إجاباتك ونتائجك"),
    "me-for-care": _(", in order to treat you", "، لعلاجك"),
    "me-for-emergency": _(" in an emergency", " في حالة الطوارئ"),
    "me-for-other": _(" for one purpose", " لغرض محدّد"),
    "me-to-day": _(", until {day}", "، حتى {day}"),
}

PURPOSES: Final[Mapping[str, Mapping[str, str]]] = {
    "TREAT": _("to treat you", "لعلاجك"),
    "ETREAT": _("emergency", "طوارئ"),
    "BTG": _("emergency", "طوارئ"),
    "HOPERAT": _("to run the clinic", "لإدارة العيادة"),
    "HPAYMT": _("payment", "الدفع"),
    "HRESCH": _("research", "البحث العلمي"),
}
