// The frame of every page: name, navigation, connection, settings.
import { Link, Outlet } from "@tanstack/react-router";
import { Dropdown, Tooltip } from "antd";
import { useTranslation } from "react-i18next";
import { useStreamState } from "../events/hub";
import { setLanguage, useLanguage } from "../i18n";
import { logOut, useSession } from "../session/session";
import { setTheme, useTheme, type ThemeChoice } from "../theme/theme";
import { Icon } from "./icon";
import { Wordmark } from "./wordmark";

export function Shell() {
  const { t } = useTranslation();
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t("app.skip")}
      </a>
      <header className="topbar">
        <Link to="/runs" className="topbar-home" aria-label="Regatta">
          <Wordmark />
        </Link>
        <nav aria-label={t("app.nav")}>
          <Link to="/runs" activeProps={{ "aria-current": "page" }}>
            {t("app.runs")}
          </Link>
          <Link to="/topology" activeProps={{ "aria-current": "page" }}>
            {t("topology.title")}
          </Link>
        </nav>
        <span className="spacer" />
        <Connection />
        <SettingsMenu />
      </header>
      <Lost />
      <main id="main" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

function Connection() {
  const { t } = useTranslation();
  const live = useStreamState() === "open";
  return (
    <Tooltip title={live ? t("app.live_hint") : t("app.reconnecting_hint")}>
      <span className={live ? "connection" : "connection connection-lost"} role="status">
        <span className="dot" aria-hidden="true" />
        {live ? t("app.live") : t("app.reconnecting")}
      </span>
    </Tooltip>
  );
}

/** Says that the server is gone; a connection that is back at once is not worth a word. */
function Lost() {
  const { t } = useTranslation();
  if (useStreamState() !== "reconnecting") return null;
  return (
    <p className="lost" role="alert">
      {t("app.lost")}
    </p>
  );
}

const kThemes = ["system", "light", "dark"] as const satisfies readonly ThemeChoice[];

function SettingsMenu() {
  const { t } = useTranslation();
  const { choice } = useTheme();
  const language = useLanguage();
  const session = useSession();
  const items = [
    {
      type: "group" as const,
      label: t("app.theme"),
      children: kThemes.map((theme) => ({
        key: `theme:${theme}`,
        label: <Checked on={choice === theme}>{t(`app.theme_${theme}`)}</Checked>,
        onClick: () => setTheme(theme),
      })),
    },
    {
      type: "group" as const,
      label: t("app.language"),
      children: (
        [
          ["en", "English"],
          ["zh", "中文"],
        ] as const
      ).map(([code, name]) => ({
        key: `language:${code}`,
        label: <Checked on={language === code}>{name}</Checked>,
        onClick: () => void setLanguage(code),
      })),
    },
    { type: "divider" as const },
    {
      key: "log-out",
      label: t("app.log_out"),
      onClick: () => void logOut(),
    },
  ];
  return (
    <Dropdown menu={{ items }} trigger={["click"]} placement="bottomRight">
      <button type="button" className="user-button" title={t("app.user_menu")}>
        <Icon name="settings" />
        <span>{session.kind === "in" ? session.session.user : ""}</span>
        <span className="hidden">{t("app.user_menu")}</span>
      </button>
    </Dropdown>
  );
}

function Checked({ on, children }: { on: boolean; children: string }) {
  return (
    <span className="menu-choice">
      <span className="menu-check">{on && <Icon name="check" />}</span>
      {children}
    </span>
  );
}
