// English is part of the first load; Chinese (texts and antd's own) is read when it is chosen.
import i18next from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";
import type { Language } from "../lib/format";
import { en } from "./en";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
    returnNull: false;
  }
}

const kStored = "regatta.language";

function preferred(): Language {
  const stored = localStorage.getItem(kStored);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

async function load(language: Language): Promise<void> {
  if (language === "zh" && !i18next.hasResourceBundle("zh", "translation")) {
    const { zh } = await import("./zh");
    i18next.addResourceBundle("zh", "translation", zh);
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

/** Call once, before anything is drawn. */
export async function startLanguage(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: "en",
    fallbackLng: "en",
    resources: { en: { translation: en } },
    // React escapes what it renders.
    interpolation: { escapeValue: false },
  });
  await load(preferred());
}

/** Changes the language and remembers it. */
export async function setLanguage(language: Language): Promise<void> {
  localStorage.setItem(kStored, language);
  await load(language);
}

export function useLanguage(): Language {
  const { i18n } = useTranslation();
  return i18n.language === "zh" ? "zh" : "en";
}
