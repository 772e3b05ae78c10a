import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { startLanguage } from "./i18n";
import { startSession } from "./session/session";
import "./styles/tokens.css";
import "./styles/base.css";
import { startTheme } from "./theme/theme";

startTheme();
await startLanguage();
void startSession();

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
