"""What the pages say, in each language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.pages.alliance_texts import ALLIANCE_TEXTS
from app.pages.answer_texts import ANSWER_TEXTS
from app.pages.audit_texts import AUDIT_TEXTS
from app.pages.me_texts import ME_TEXTS

DIRECTIONS: Final[Mapping[str, str]] = {"en": "ltr", "ar": "rtl"}


def _(english: str, arabic: str) -> Mapping[str, str]:
    return {"en": english, "ar": arabic}


# Titles are neutral: somebody else may see the phone.
TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "title": _("Sign in", "تسجيل الدخول"),
    "title-approve": _("Permission", "الإذن"),
    "title-choose": _("Choose a record", "اختيار السجل"),
    "title-problem": _("This did not work", "تعذّر إتمام الطلب"),
    "title-account": _("Your account", "حسابك"),
    "other-language": _("العربية", "English"),
    "skip": _("Skip to content", "انتقل إلى المحتوى"),
    "username": _("Username", "اسم المستخدم"),
    "password": _("Password", "كلمة المرور"),
    "new-password": _("New password", "كلمة المرور الجديدة"),
    "new-password-again": _("New password again", "أعد كتابة كلمة المرور الجديدة"),
    "sign-in": _("Sign in", "دخول"),
    "sign-out": _("Sign out", "خروج"),
    "signed-in-as": _("Signed in as", "مسجّل الدخول باسم"),
    "forgot": _("Forgot your password?", "هل نسيت كلمة المرور؟"),
    "elsewhere": _("Sign in with", "تسجيل الدخول عبر"),
    "elsewhere-failed": _(
        "Signing in elsewhere did not work.", "تعذّر تسجيل الدخول عبر الجهة الأخرى."
    ),
    "wrong": _("The username or password is not right.", "اسم المستخدم أو كلمة المرور غير صحيحة."),
    "wrong-code": _("The code is not right.", "الرمز غير صحيح."),
    "throttled": _(
        "Too many tries. Wait a little, then try again.",
        "محاولات كثيرة. انتظر قليلاً ثم حاول مرة أخرى.",
    ),
    "form-expired": _(
        "The page was open for too long. Please try again.",
        "بقيت الصفحة مفتوحة مدة طويلة. حاول مرة أخرى من فضلك.",
    ),
    "second-title": _("Second step", "الخطوة الثانية"),
    "second-hint": _(
        "Enter the six digits from your authenticator app, or one of your recovery codes.",
        "أدخل الأرقام الستة من تطبيق المصادقة، أو أحد رموز الاسترداد.",
    ),
    "code": _("Code", "الرمز"),
    "continue": _("Continue", "متابعة"),
    "enrol-title": _("Set up the second step", "إعداد الخطوة الثانية"),
    "enrol-hint": _(
        "Add this key to an authenticator app, then enter the six digits that it shows.",
        "أضف هذا المفتاح إلى تطبيق مصادقة، ثم أدخل الأرقام الستة التي يعرضها.",
    ),
    "enrol-open": _("Open in an app on this device", "فتح في تطبيق على هذا الجهاز"),
    "enrol-key": _("Key", "المفتاح"),
    "passkey-create": _("Use a passkey instead", "استخدام مفتاح مرور بدلاً من ذلك"),
    "passkey-get": _("Use your passkey", "استخدام مفتاح المرور"),
    "passkey-failed": _("The passkey did not work.", "لم ينجح مفتاح المرور."),
    "recovery-title": _("Recovery codes", "رموز الاسترداد"),
    "recovery-hint": _(
        "Keep these codes in a safe place. Each works once, if you lose your device. "
        "They are not shown again.",
        "احتفظ بهذه الرموز في مكان آمن. كل رمز صالح لمرة واحدة إذا فقدت جهازك. ولن تُعرض مرة أخرى.",
    ),
    "asks": _("asks for permission to:", "يطلب الإذن لما يلي:"),
    "asks-patient": _("for the record of", "في سجل"),
    "lasts-offline": _(
        "This lasts for up to 90 days, also while you are away, and can be taken back.",
        "يسري هذا حتى 90 يوماً، حتى في غيابك، ويمكن سحبه.",
    ),
    "lasts-online": _("This lasts while you are signed in.", "يسري هذا ما دمت مسجّل الدخول."),
    "lasts-once": _("This lasts for an hour at most.", "يسري هذا ساعة واحدة على الأكثر."),
    "allow": _("Allow", "السماح"),
    "deny": _("Do not allow", "عدم السماح"),
    "can-read": _("Read", "قراءة"),
    "can-write": _("Change", "تعديل"),
    "can-read-write": _("Read and change", "قراءة وتعديل"),
    "everything": _("everything you may see", "كل ما يحق لك الاطلاع عليه"),
    "everything-patient": _("the whole record", "السجل بأكمله"),
    "partly": _("(a part of it)", "(جزء منها)"),
    "knows-you": _("Know who you are", "معرفة هويتك"),
    "find-patient": _("Name", "الاسم"),
    "find": _("Find", "بحث"),
    "choose": _("Choose", "اختيار"),
    "no-patient": _("No record was found.", "لم يُعثر على أي سجل."),
    "without-patient": _("Continue without a record", "المتابعة بدون سجل"),
    "born": _("born", "تاريخ الميلاد"),
    "bad-client": _(
        "This link does not come from a program that is registered here. Nothing was shared.",
        "هذا الرابط ليس من برنامج مسجّل هنا. لم تتم مشاركة أي شيء.",
    ),
    "other-clinic": _(
        "This program belongs to another clinic. Nothing was shared.",
        "هذا البرنامج تابع لعيادة أخرى. لم تتم مشاركة أي شيء.",
    ),
    "reset-title": _("New password", "كلمة مرور جديدة"),
    "reset-hint": _(
        "Enter your username. If it is known and has an address, a link is sent to it.",
        "أدخل اسم المستخدم. إن كان معروفاً وله عنوان، فسيُرسل إليه رابط.",
    ),
    "reset-sent": _(
        "If the username is known and has an address, a link is on its way. "
        "It works once, for 15 minutes.",
        "إن كان اسم المستخدم معروفاً وله عنوان، فالرابط في طريقه إليك. "
        "وهو صالح لمرة واحدة خلال 15 دقيقة.",
    ),
    "send": _("Send", "إرسال"),
    "nothing-here": _(
        "There is nothing here, or it is not for you.", "لا يوجد شيء هنا، أو أنه ليس لك."
    ),
    "not-done": _("This could not be done.", "تعذّر إتمام ذلك."),
    "link-gone": _("This link was used or is too old.", "هذا الرابط مستخدم أو انتهت صلاحيته."),
    "save": _("Save", "حفظ"),
    "password-rule": _(
        "At least ten characters; a few words that belong together only for you are good.",
        "عشرة أحرف على الأقل؛ ويُستحسن بضع كلمات لا رابط بينها إلا عندك.",
    ),
    "password-short": _("At least ten characters.", "عشرة أحرف على الأقل."),
    "password-long": _("At most 1,024 characters.", "1024 حرفاً على الأكثر."),
    "password-common": _(
        "This password is too common. Choose another.",
        "كلمة المرور هذه شائعة جداً. اختر غيرها.",
    ),
    "password-about-you": _(
        "This password is too close to your name.", "كلمة المرور هذه قريبة جداً من اسمك."
    ),
    "password-differs": _("The two are not the same.", "الكلمتان غير متطابقتين."),
    "password-saved": _("Your new password is set.", "تم تعيين كلمة المرور الجديدة."),
    "invited": _("Choose a password to begin.", "اختر كلمة مرور للبدء."),
    "home": _("You are signed in.", "لقد سجّلت الدخول."),
    "second-on": _("The second step is on.", "الخطوة الثانية مفعّلة."),
    "second-off": _("The second step is off.", "الخطوة الثانية غير مفعّلة."),
    "second-add": _("Set it up", "إعداد"),
    "programs": _("Programs that you let in", "البرامج التي سمحت لها"),
    "no-programs": _("There are none.", "لا توجد أي برامج."),
    "until": _("until", "حتى"),
    "take-back": _("Take back", "سحب الإذن"),
    **ALLIANCE_TEXTS,
    **ANSWER_TEXTS,
    **AUDIT_TEXTS,
    **ME_TEXTS,
}

# What kinds of records are called.
TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "Patient": _("personal details", "البيانات الشخصية"),
    "Observation": _("scores", "النتائج"),
    "QuestionnaireResponse": _("answers", "الإجابات"),
    "Questionnaire": _("questionnaires", "الاستبيانات"),
    "Encounter": _("sessions", "الجلسات"),
    "EpisodeOfCare": _("episodes of care", "فترات الرعاية"),
    "Goal": _("goals", "الأهداف"),
    "CarePlan": _("care plans", "خطط الرعاية"),
    "Task": _("tasks", "المهام"),
    "Consent": _("consents", "الموافقات"),
    "Practitioner": _("therapists", "المعالجون"),
    "AuditEvent": _("the access log", "سجل الاطلاع"),
    "Communication": _("messages", "الرسائل"),
    "DocumentReference": _("documents", "المستندات"),
}
