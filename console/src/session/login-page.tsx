import { Button, Input } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CommandLine } from "../ui/command-line";
import { Wordmark } from "../ui/wordmark";
import { codeIn, logIn } from "./session";

/** Says how to get in: there are no passwords, the terminal gives an address. */
export function LoginPage({ problem }: { problem: string | undefined }) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const [bad, setBad] = useState(false);
  const [busy, setBusy] = useState(false);
  const submit = () => {
    const code = codeIn(text);
    setBad(code === undefined);
    if (code === undefined) return;
    setBusy(true);
    void logIn(code).finally(() => setBusy(false));
  };
  return (
    <main className="alone">
      <div className="alone-card">
        <Wordmark large />
        <h1>{t("login.title")}</h1>
        {problem !== undefined && (
          <p className="notice notice-bad" role="alert">
            {t("login.refused", { problem })}
          </p>
        )}
        <p>{t("login.how")}</p>
        <CommandLine text="regatta console" />
        <p className="muted">{t("login.valid")}</p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          <label htmlFor="login-code">{t("login.paste")}</label>
          <div className="row">
            <Input
              id="login-code"
              autoComplete="off"
              spellCheck={false}
              value={text}
              status={bad ? "error" : ""}
              aria-invalid={bad}
              aria-describedby={bad ? "login-bad" : undefined}
              onChange={(event) => {
                setText(event.target.value);
                setBad(false);
              }}
            />
            <Button type="primary" htmlType="submit" loading={busy} disabled={text.trim() === ""}>
              {t("login.submit")}
            </Button>
          </div>
          {bad && (
            <p id="login-bad" className="field-error" role="alert">
              {t("login.bad")}
            </p>
          )}
        </form>
      </div>
    </main>
  );
}
