// What the type checker does not see in the page's modules: circles of imports, unused and careless code.

import js from "@eslint/js";
import importX, { createNodeResolver } from "eslint-plugin-import-x";
import globals from "globals";

export default [
  { ignores: ["**/vendor/", ".*/"] },
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { globals: { ...globals.browser, ...globals["shared-node-browser"] } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    plugins: { import: importX },
    settings: { "import-x/resolver-next": [createNodeResolver()] },
    rules: {
      eqeqeq: "error",
      "import/no-cycle": "error",
      "import/no-duplicates": "error",
      "import/no-unresolved": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
    },
  },
  { files: ["tests/js/*.js"], languageOptions: { globals: globals.node } },
];
