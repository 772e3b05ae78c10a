import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const nodeGlobals = Object.fromEntries(
  ["process", "console", "URL", "fetch", "setTimeout", "clearTimeout", "Buffer", "AbortSignal"].map(
    (name) => [name, "readonly"],
  ),
);

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "src/api/schema.d.ts"] },
  js.configs.recommended,
  {
    files: ["src/**/*.{ts,tsx}", "vite.config.ts"],
    extends: [...tseslint.configs.strictTypeChecked, hooks.configs.flat["recommended-latest"]],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // Text from the server is shown by React as text; nothing may bypass that.
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: "Names, logs and messages are hostile text: render them as children.",
        },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ["**/*.mjs", "eslint.config.js"],
    languageOptions: { globals: { ...nodeGlobals, document: "readonly", window: "readonly" } },
  },
  {
    // Functions of the browser tests that run in the page. npm run lint reads that folder from the
    // repository's root: patterns are relative to where ESLint starts.
    files: ["tests/browser/**/*.mjs"],
    languageOptions: {
      globals: Object.fromEntries(
        ["getComputedStyle", "localStorage", "performance", "requestAnimationFrame"].map((name) => [
          name,
          "readonly",
        ]),
      ),
    },
  },
);
