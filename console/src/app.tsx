// What surrounds every page: theme, texts of antd, queries, session, event stream.
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { App as AntdApp, ConfigProvider } from "antd";
import type { Locale } from "antd/es/locale";
import { useEffect, useState } from "react";
import { ApiError } from "./api/client";
import { EventHub } from "./events/hub";
import { useLanguage } from "./i18n";
import { router } from "./router";
import { LoginPage } from "./session/login-page";
import { checkSession, useSession } from "./session/session";
import { Unreachable } from "./session/unreachable";
import { antdTheme, useTheme } from "./theme/theme";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Events keep the cache new; nothing is read again just because time passed.
      staleTime: Infinity,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      // An answer that refuses stays a refusal; silence is worth another try.
      retry: (failures, error) =>
        failures < 3 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
      retryDelay: (failures) => Math.min(2000, 300 * 2 ** failures),
    },
  },
});

const kRecheckEvery = 2000;

function Content() {
  const session = useSession();
  useEffect(() => {
    if (session.kind !== "unreachable") return;
    const timer = setInterval(() => void checkSession(), kRecheckEvery);
    return () => clearInterval(timer);
  }, [session.kind]);
  useEffect(() => {
    if (session.kind === "out") queries.clear();
  }, [session.kind]);
  switch (session.kind) {
    case "checking":
      return null;
    case "unreachable":
      return <Unreachable />;
    case "out":
      return <LoginPage problem={session.problem} />;
    case "in":
      return (
        <EventHub>
          <RouterProvider router={router} />
        </EventHub>
      );
  }
}

export function App() {
  const { resolved } = useTheme();
  const language = useLanguage();
  const [locale, setLocale] = useState<Locale>();
  useEffect(() => {
    if (language === "zh") void import("antd/locale/zh_CN").then((zh) => setLocale(zh.default));
  }, [language]);
  return (
    <ConfigProvider theme={antdTheme(resolved)} locale={language === "zh" ? locale : undefined}>
      <AntdApp>
        <QueryClientProvider client={queries}>
          <Content />
        </QueryClientProvider>
      </AntdApp>
    </ConfigProvider>
  );
}
