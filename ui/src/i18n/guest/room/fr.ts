import type { en } from "./en.js";

export const fr: Record<keyof typeof en, string> = {
  "guest.room.invites": "{name} vous invite à une réunion",
  "guest.room.invited": "Vous êtes invité à une réunion",
  "guest.room.over": "La réunion est terminée pour vous.",
  "guest.room.gone": "Votre nom et cette visite sont oubliés.",
  "guest.room.name.hint": "Tout le monde dans la réunion le voit. Il est oublié quand vous partez.",
  "guest.room.encrypted": "Le son et l’image sont chiffrés entre votre navigateur et chaque participant. Ce serveur transmet ce qu’il ne peut pas lire.",
  "guest.room.sound": "Venir avec le son seul",
  "guest.room.reason.left": "Vous avez quitté la réunion.",
  "guest.room.reason.cancelled": "Vous avez renoncé à entrer.",
  "guest.room.reason.ended": "L’hôte a terminé la réunion pour tous.",
  "guest.room.reason.removed": "L’hôte vous a fait sortir de la réunion.",
  "guest.room.reason.lost": "Plus personne qui puisse tenir la réunion n’est joignable. Revenez par le lien.",
  "guest.room.denied.denied": "L’hôte ne vous a pas fait entrer.",
  "guest.room.denied.full": "La réunion est pleine. Venez avec le son seul, ou attendez que quelqu’un parte.",
  "guest.room.denied.locked": "La réunion est verrouillée. Demandez à quelqu’un qui y est de la déverrouiller.",
  "guest.room.denied.no-answer": "Personne ne vous a fait entrer. Demandez à votre hôte, ou réessayez plus tard.",
  "guest.room.denied.host-gone": "L’hôte est parti avant de vous faire entrer. Demandez un nouveau lien.",
  "guest.room.oneway": "Vous et {name} ne vous voyez pas, ou un seul de vous deux voit l’autre. L’un de vous devrait partir et revenir.",
  "guest.room.mismatch": "L’hôte vous a dit, à vous et à {name}, des choses différentes sur qui est dans cette réunion. Comparez à voix haute les chiffres de la réunion, et partez s’ils diffèrent.",
  "guest.room.tampered": "Quelque chose en chemin a altéré la ligne vers votre hôte. Elle a été rouverte ; personne n’a pu lire ce que vous dites. Comparez à voix haute les chiffres de la réunion, et prévenez votre hôte.",
};
