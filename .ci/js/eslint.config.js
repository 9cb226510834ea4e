/** The pages' scripts: ES modules without a framework, joined into one by `media/page/__init__.py`. */

import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: { eqeqeq: "error", "no-var": "error", "prefer-const": "error", "no-shadow": "error" },
  },
  { files: ["**/worker.js"], languageOptions: { sourceType: "script", globals: { ...globals.worker, ort: "readonly" } } },
  { files: ["tests/**/*.js"], languageOptions: { globals: globals.node } },
];
