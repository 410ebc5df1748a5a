"""The languages that a code block may have, and the short names people write."""

from __future__ import annotations

from typing import Final

PLAIN: Final = "plain text"
#: As the official SDK's types list them.
LANGUAGES: Final = frozenset(
    {
        *("abap", "abc", "agda", "arduino", "ascii art", "assembly", "bash", "basic", "bnf", "c", "c#", "c++"),
        *("clojure", "coffeescript", "coq", "css", "dart", "dhall", "diff", "docker", "ebnf", "elixir", "elm"),
        *("erlang", "f#", "flow", "fortran", "gherkin", "glsl", "go", "graphql", "groovy", "haskell", "hcl"),
        *("html", "idris", "java", "javascript", "json", "julia", "kotlin", "latex", "less", "lisp"),
        *("livescript", "llvm ir", "lua", "makefile", "markdown", "markup", "matlab", "mathematica", "mermaid"),
        *("nix", "notion formula", "objective-c", "ocaml", "pascal", "perl", "php", "plain text", "powershell"),
        *("prolog", "protobuf", "purescript", "python", "r", "racket", "reason", "ruby", "rust", "sass"),
        *("scala", "scheme", "scss", "shell", "smalltalk", "solidity", "sql", "swift", "toml", "typescript"),
        *("vb.net", "verilog", "vhdl", "visual basic", "webassembly", "xml", "yaml", "java/c/c++/c#"),
    }
)
_SHORT: Final = {"js": "javascript", "ts": "typescript", "py": "python", "sh": "shell", "yml": "yaml", "md": "markdown"}


def language_of(name: str) -> str:
    """The language that a fence's name means; plain text where Notion knows none of that name."""
    found = _SHORT.get(name.lower(), name.lower())
    return found if found in LANGUAGES else PLAIN
