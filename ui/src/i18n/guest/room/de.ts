import type { en } from "./en.js";

export const de: Record<keyof typeof en, string> = {
  "guest.room.invites": "{name} lädt Sie zu einer Besprechung ein",
  "guest.room.invited": "Sie sind zu einer Besprechung eingeladen",
  "guest.room.over": "Die Besprechung ist für Sie zu Ende.",
  "guest.room.gone": "Ihr Name und dieser Besuch sind vergessen.",
  "guest.room.name.hint": "Alle in der Besprechung sehen ihn. Er wird vergessen, wenn Sie gehen.",
  "guest.room.encrypted": "Ton und Bild sind zwischen Ihrem Browser und jeder teilnehmenden Person verschlüsselt. Dieser Server gibt weiter, was er nicht lesen kann.",
  "guest.room.sound": "Nur mit Ton kommen",
  "guest.room.reason.left": "Sie haben die Besprechung verlassen.",
  "guest.room.reason.cancelled": "Sie haben Ihr Anklopfen zurückgenommen.",
  "guest.room.reason.ended": "Die Besprechung wurde für alle beendet.",
  "guest.room.reason.removed": "Sie wurden aus der Besprechung hinausgeschickt.",
  "guest.room.reason.lost": "Niemand ist mehr erreichbar, der die Besprechung halten könnte. Kommen Sie über den Link wieder.",
  "guest.room.denied.denied": "Sie wurden nicht eingelassen.",
  "guest.room.denied.full": "Die Besprechung ist voll. Kommen Sie nur mit Ton, oder warten Sie, bis jemand geht.",
  "guest.room.denied.locked": "Die Besprechung ist abgeschlossen. Bitten Sie jemanden, der drin ist, sie aufzuschließen.",
  "guest.room.denied.no-answer": "Niemand hat Sie eingelassen. Fragen Sie nach, oder versuchen Sie es später noch einmal.",
  "guest.room.denied.host-gone": "Wer Sie hätte einlassen können, ist gegangen. Bitten Sie um einen neuen Link.",
  "guest.room.oneway": "Sie und {name} sehen einander nicht, oder nur eine Seite die andere. Eine von beiden sollte gehen und wiederkommen.",
  "guest.room.mismatch": "Ihnen und {name} wurde Verschiedenes darüber gesagt, wer in dieser Besprechung ist. Vergleichen Sie die Zahlen der Besprechung laut, und gehen Sie, wenn sie verschieden sind.",
  "guest.room.tampered": "Etwas auf dem Weg hat die Leitung zu Ihrem Gastgeber verändert. Sie wurde neu geöffnet; lesen konnte niemand, was Sie sagen. Vergleichen Sie die Zahlen der Besprechung laut, und sagen Sie es Ihrem Gastgeber.",
};
