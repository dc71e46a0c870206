/**
 * What shells complete, made from the table of options. Pure.
 *
 * @module
 */
import { type OptionRow, OPTIONS } from "./option_table.ts";

const WRITERS: Readonly<Record<string, () => string>> = { bash, zsh, fish };

/** The script for a shell; null: not one that is known. */
export function completions(shell: string): string | null {
  return Object.hasOwn(WRITERS, shell) ? WRITERS[shell]() : null;
}

/** Options that may be of use here. */
function offered(): OptionRow[] {
  return OPTIONS.filter(({ refused, section }) =>
    refused === undefined && section !== "other protocols"
  );
}

function words(row: OptionRow): string[] {
  return row.short === undefined ? [`--${row.long}`] : [`-${row.short}`, `--${row.long}`];
}

function bash(): string {
  const rows = offered();
  const taking = (what: string): string =>
    rows.filter((row) => row.value !== undefined && (row.takes ?? "text") === what)
      .flatMap(words).join("|");
  return `# bash completion for roundtrip
_roundtrip() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  case "$before" in
    ${taking("file")})
      compopt -o filenames 2>/dev/null
      COMPREPLY=($(compgen -f -- "$word"))
      return ;;
    ${taking("folder")})
      compopt -o filenames 2>/dev/null
      COMPREPLY=($(compgen -d -- "$word"))
      return ;;
    ${taking("text")})
      return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "${rows.map(({ long }) => `--${long}`).join(" ")}" -- "$word"))
  elif [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "get completions man" -- "$word"))
  elif [[ $before == completions ]]; then
    COMPREPLY=($(compgen -W "bash zsh fish" -- "$word"))
  fi
}
complete -F _roundtrip roundtrip
`;
}

function zsh(): string {
  const actions: Readonly<Record<string, string>> = {
    file: "_files",
    folder: "_files -/",
    text: " ",
  };
  const specs = offered().map((row) => {
    const names = words(row);
    const about = `[${row.help.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''")}]`;
    const value = row.value === undefined
      ? ""
      : `:${row.value.replace(/[:"\\]/g, "").replaceAll("'", "")}:${actions[row.takes ?? "text"]}`;
    const group = names.length === 1 ? names[0] : `{${names.join(",")}}`;
    return names.length === 1 ? `  '*${group}${about}${value}'` : `  '*'${group}'${about}${value}'`;
  });
  // A file of fpath is the body of the function; one that is sourced has to name it.
  return `#compdef roundtrip
_roundtrip_words() {
  if (( CURRENT == 2 )); then
    compadd -- get completions man
  elif [[ \${words[2]} == completions ]]; then
    compadd -- bash zsh fish
  fi
}
_roundtrip() {
  _arguments -s \\
${specs.join(" \\\n")} \\
  '*:URL:_roundtrip_words'
}
if [[ \${funcstack[1]} == _roundtrip ]]; then
  _roundtrip "$@"
else
  compdef _roundtrip roundtrip
fi
`;
}

function fish(): string {
  const lines = offered().map((row) => {
    const short = row.short === undefined ? "" : ` -s '${row.short}'`;
    const value = row.value === undefined
      ? ""
      : row.takes === "file"
      ? " -r -F"
      : row.takes === "folder"
      ? " -x -a '(__fish_complete_directories)'"
      : " -x";
    const about = row.help.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
    return `complete -c roundtrip${short} -l ${row.long}${value} -d '${about}'`;
  });
  return `# fish completion for roundtrip
complete -c roundtrip -f
complete -c roundtrip -n __fish_use_subcommand -a 'get completions man'
complete -c roundtrip -n '__fish_seen_subcommand_from completions' -a 'bash zsh fish'
${lines.join("\n")}
`;
}
