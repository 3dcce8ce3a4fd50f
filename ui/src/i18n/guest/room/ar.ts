import type { en } from "./en.js";

export const ar: Record<keyof typeof en, string> = {
  "guest.room.invites": "يدعوك {name} إلى اجتماع",
  "guest.room.invited": "أنت مدعو إلى اجتماع",
  "guest.room.over": "انتهى الاجتماع بالنسبة إليك.",
  "guest.room.gone": "نُسي اسمك ونُسيت هذه الزيارة.",
  "guest.room.name.hint": "يراه كل من في الاجتماع، ويُنسى عندما تغادر.",
  "guest.room.encrypted": "الصوت والصورة مشفّران بين متصفحك وكل مشارك. هذا الخادم ينقل ما لا يستطيع قراءته.",
  "guest.room.sound": "الدخول بالصوت فقط",
  "guest.room.reason.left": "غادرت الاجتماع.",
  "guest.room.reason.cancelled": "تراجعت عن طلب الدخول.",
  "guest.room.reason.ended": "أنهى المضيف الاجتماع للجميع.",
  "guest.room.reason.removed": "أخرجك المضيف من الاجتماع.",
  "guest.room.reason.lost": "لم يعد بالإمكان الوصول إلى من يستطيع إبقاء الاجتماع قائمًا. عد عبر الرابط.",
  "guest.room.denied.denied": "لم يسمح لك المضيف بالدخول.",
  "guest.room.denied.full": "الاجتماع ممتلئ. ادخل بالصوت فقط، أو انتظر حتى يغادر أحدهم.",
  "guest.room.denied.locked": "الاجتماع مقفل. اطلب من أحد الحاضرين أن يفتحه.",
  "guest.room.denied.no-answer": "لم يسمح لك أحد بالدخول. اسأل مضيفك، أو حاول لاحقًا.",
  "guest.room.denied.host-gone": "ذهب المضيف قبل أن يسمح لك بالدخول. اطلب رابطًا جديدًا.",
  "guest.room.oneway": "أنت و{name} لا يرى أحدكما الآخر، أو يراه أحدكما فقط. ليغادر أحدكما ثم يعد.",
  "guest.room.mismatch": "قال المضيف لك ولـ{name} أشياء مختلفة عمّن في هذا الاجتماع. قارنا أرقام الاجتماع بصوت مسموع، وغادر إن اختلفت.",
  "guest.room.tampered": "غيّر شيءٌ في الطريق الخطَّ إلى مضيفك، فأُعيد فتحه، ولم يستطع أحد قراءة ما تقول. قارنوا أرقام الاجتماع بصوت مسموع، وأخبر مضيفك.",
};
