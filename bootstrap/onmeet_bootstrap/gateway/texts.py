"""The texts of the operator's site, in each language."""

from __future__ import annotations

LANGUAGES = ("en", "fr", "de", "ar")

_EN = {
    "title": "An On-Meet server",
    "lead": "People call each other with On-Meet, encrypted from end to end. This server helps "
    "their machines find each other, and lets guests in from a browser. It passes on what it "
    "cannot read, and holds nothing about a call when the call is over.",
    "operator": "It is run by",
    "place": "It stands in",
    "ca": "Canada",
    "de": "Germany",
    "policy": "Policy",
    "contact": "Contact",
    "home": "About this server",
    "no-policy": "The operator has published no policy.",
    "in-force": "Version {version}, in force since {date}.",
    "announced": "Announced: version {version}, posted {posted}, takes effect on {date}.",
    "name": "Your name",
    "email": "Your e-mail address, for an answer",
    "message": "Your message",
    "send": "Send",
    "kept": "The message goes to the operator by e-mail. Nothing of it is kept here.",
    "sent": "Your message was sent. Thank you.",
    "name.empty": "Please give your name.",
    "name.long": "A name has at most 80 characters.",
    "email.bad": "That is no e-mail address; one looks like anna@example.org.",
    "message.empty": "Please write a message.",
    "message.long": "A message has at most 4,000 characters; yours is still there, shorten it.",
    "name.odd": "A name is one line of text, without invisible characters.",
    "email.letters": "The answer cannot be sent to an address with such letters; please give one "
    "that has only a to z, digits and signs.",
    "message.odd": "The message has invisible characters that cannot be sent; please type it in "
    "again, or paste it as plain text.",
    "busy": "Too many messages were sent from here. Please try again in an hour; what you wrote "
    "is still in the form.",
    "failed": "The message could not be sent: the operator's mail server did not take it. Please "
    "try again later; what you wrote is still in the form.",
    "correct": "Please correct what is marked.",
}
_FR = {
    "title": "Un serveur On-Meet",
    "lead": "On s’appelle avec On-Meet, chiffré de bout en bout. Ce serveur aide les machines à se "
    "trouver et fait entrer des invités depuis un navigateur. Il transmet ce qu’il ne peut pas "
    "lire, et ne garde rien d’un appel une fois l’appel fini.",
    "operator": "Il est géré par",
    "place": "Il se trouve ici :",
    "ca": "Canada",
    "de": "Allemagne",
    "policy": "Politique",
    "contact": "Contact",
    "home": "À propos de ce serveur",
    "no-policy": "L’opérateur n’a publié aucune politique.",
    "in-force": "Version {version}, en vigueur depuis le {date}.",
    "announced": "Annoncée : version {version}, publiée le {posted}, en vigueur le {date}.",
    "name": "Votre nom",
    "email": "Votre adresse e-mail, pour une réponse",
    "message": "Votre message",
    "send": "Envoyer",
    "kept": "Le message part à l’opérateur par e-mail. Rien n’en est gardé ici.",
    "sent": "Votre message est envoyé. Merci.",
    "name.empty": "Indiquez votre nom.",
    "name.long": "Un nom a 80 caractères au plus.",
    "email.bad": "Ce n’est pas une adresse e-mail ; elle ressemble à anna@example.org.",
    "message.empty": "Écrivez un message.",
    "message.long": "Un message a 4 000 caractères au plus ; le vôtre est là, raccourcissez-le.",
    "name.odd": "Un nom est une ligne de texte, sans caractères invisibles.",
    "email.letters": "Une adresse avec de telles lettres ne peut pas recevoir de réponse ; "
    "donnez-en une avec seulement a à z, chiffres et signes.",
    "message.odd": "Le message contient des caractères invisibles qui ne peuvent pas partir ; "
    "tapez-le à nouveau, ou collez-le sans mise en forme.",
    "busy": "Trop de messages sont partis d’ici. Réessayez dans une heure ; votre texte est encore "
    "dans le formulaire.",
    "failed": "Le message n’a pas pu partir : le serveur de courrier de l’opérateur ne l’a pas "
    "pris. Réessayez plus tard ; votre texte est encore dans le formulaire.",
    "correct": "Corrigez ce qui est marqué.",
}
_DE = {
    "title": "Ein On-Meet-Server",
    "lead": "Mit On-Meet ruft man sich an, Ende zu Ende verschlüsselt. Dieser Server hilft den "
    "Rechnern, sich zu finden, und lässt Gäste aus einem Browser ein. Er gibt weiter, was er "
    "nicht lesen kann, und behält nichts von einem Anruf, wenn der Anruf zu Ende ist.",
    "operator": "Ihn betreibt",
    "place": "Er steht in",
    "ca": "Kanada",
    "de": "Deutschland",
    "policy": "Richtlinie",
    "contact": "Kontakt",
    "home": "Über diesen Server",
    "no-policy": "Der Betreiber hat keine Richtlinie veröffentlicht.",
    "in-force": "Fassung {version}, in Kraft seit {date}.",
    "announced": "Angekündigt: Fassung {version}, veröffentlicht {posted}, gilt ab {date}.",
    "name": "Ihr Name",
    "email": "Ihre E-Mail-Adresse, für eine Antwort",
    "message": "Ihre Nachricht",
    "send": "Senden",
    "kept": "Die Nachricht geht per E-Mail an den Betreiber. Hier bleibt nichts davon.",
    "sent": "Ihre Nachricht ist gesendet. Danke.",
    "name.empty": "Bitte geben Sie Ihren Namen an.",
    "name.long": "Ein Name hat höchstens 80 Zeichen.",
    "email.bad": "Das ist keine E-Mail-Adresse; sie sieht aus wie anna@example.org.",
    "message.empty": "Bitte schreiben Sie eine Nachricht.",
    "message.long": "Eine Nachricht hat höchstens 4.000 Zeichen; Ihre ist noch da, bitte kürzen.",
    "name.odd": "Ein Name ist eine Zeile Text ohne unsichtbare Zeichen.",
    "email.letters": "An eine Adresse mit solchen Buchstaben kann keine Antwort gehen; bitte eine "
    "angeben, die nur a bis z, Ziffern und Zeichen hat.",
    "message.odd": "Die Nachricht enthält unsichtbare Zeichen, die nicht gesendet werden können; "
    "bitte neu tippen oder als reinen Text einfügen.",
    "busy": "Von hier kamen zu viele Nachrichten. Bitte in einer Stunde noch einmal; Ihr Text "
    "steht noch im Formular.",
    "failed": "Die Nachricht ging nicht hinaus: Der Mailserver des Betreibers nahm sie nicht an. "
    "Bitte später noch einmal; Ihr Text steht noch im Formular.",
    "correct": "Bitte berichtigen Sie, was markiert ist.",
}
_AR = {
    "title": "خادم On-Meet",
    "lead": "يتصل الناس بعضهم ببعض عبر On-Meet بتشفير من طرف إلى طرف. يساعد هذا الخادم أجهزتهم على "
    "إيجاد بعضها، ويُدخل الضيوف من المتصفح. يمرر ما لا يستطيع قراءته، ولا يحتفظ بشيء عن المكالمة "
    "بعد انتهائها.",
    "operator": "يديره",
    "place": "مكانه",
    "ca": "كندا",
    "de": "ألمانيا",
    "policy": "السياسة",
    "contact": "اتصال",
    "home": "عن هذا الخادم",
    "no-policy": "لم ينشر المشغّل أي سياسة.",
    "in-force": "الإصدار {version}، سارٍ منذ {date}.",
    "announced": "مُعلن: الإصدار {version}، نُشر في {posted}، يسري في {date}.",
    "name": "اسمك",
    "email": "بريدك الإلكتروني للرد",
    "message": "رسالتك",
    "send": "إرسال",
    "kept": "تذهب الرسالة إلى المشغّل بالبريد. لا يُحفظ منها شيء هنا.",
    "sent": "أُرسلت رسالتك. شكرًا.",
    "name.empty": "اكتب اسمك من فضلك.",
    "name.long": "الاسم 80 حرفًا على الأكثر.",
    "email.bad": "ليس هذا عنوان بريد؛ مثاله anna@example.org.",
    "message.empty": "اكتب رسالة من فضلك.",
    "message.long": "الرسالة 4000 حرف على الأكثر؛ نصك باقٍ، اختصره من فضلك.",
    "name.odd": "الاسم سطر واحد من النص بلا محارف خفية.",
    "email.letters": "لا يمكن إرسال رد إلى عنوان فيه مثل هذه الحروف؛ اكتب عنوانًا فيه a إلى z "
    "وأرقام ورموز فقط.",
    "message.odd": "في الرسالة محارف خفية لا يمكن إرسالها؛ اكتبها من جديد أو الصقها نصًا عاديًا.",
    "busy": "أُرسلت رسائل كثيرة من هنا. حاول بعد ساعة؛ نصك باقٍ في النموذج.",
    "failed": "تعذّر الإرسال: لم يقبل خادم بريد المشغّل الرسالة. حاول لاحقًا؛ نصك باقٍ في النموذج.",
    "correct": "صحّح ما هو معلّم من فضلك.",
}
WORDS = {"en": _EN, "fr": _FR, "de": _DE, "ar": _AR}


def language_of(accept: str) -> str:
    """The first language that a browser asks for and that we have (RFC 9110, 12.5.4)."""
    wanted: list[tuple[float, str]] = []
    for part in accept[:500].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        wanted.append((-weight, tag.lower().split("-")[0]))
    known = [tag for _, tag in sorted(wanted, key=lambda item: item[0]) if tag in LANGUAGES]
    return known[0] if known else "en"
