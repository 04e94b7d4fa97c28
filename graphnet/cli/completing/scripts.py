"""The scripts that shells read: each asks ``answer`` and gives the lines to the shell."""

from __future__ import annotations

import sys

SHELLS = ("bash", "zsh", "fish")

#: Finds the file without importing graphnet, and runs it.
ASK = (
    "import importlib.util,os,sys;"
    "s=importlib.util.find_spec(sys.argv[1]);"
    'sys.exit(3) if s is None else sys.path.insert(0,os.path.join(s.submodule_search_locations[0],"cli","completing"));'
    "import answer;sys.path.pop(0);del sys.argv[1];answer.main()"
)

BASH = r"""# Completion of the command graphnet, for bash. Add to ~/.bashrc:  eval "$(graphnet completion bash)"
_graphnet_completion() {
    local program python kind value rest
    program=$(type -P -- "$1")
    python=${program%/*}/python
    [ -x "$python" ] || python='@PYTHON@'
    COMPREPLY=()
    while IFS=$'\t' read -r kind value rest; do
        case $value in *[!A-Za-z0-9_./,:=+-]*) value=$(printf '%q' "$value") ;; esac
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            part) COMPREPLY+=("$value"); compopt -o nospace 2>/dev/null ;;
            file) compopt -o default -o bashdefault 2>/dev/null ;;
            folder) compopt -o dirnames 2>/dev/null ;;
        esac
    done < <("$python" -P -c '@ASK@' graphnet bash "$COMP_CWORD" "${COMP_WORDS[@]}" 2>/dev/null)
}
complete -F _graphnet_completion graphnet
"""

ZSH = r"""#compdef graphnet
# Completion of the command graphnet, for zsh. Add to ~/.zshrc, after compinit:  eval "$(graphnet completion zsh)"
_graphnet() {
    local python kind value text
    local -a described parts
    python=${commands[${words[1]}]:-${words[1]}}
    python=${python:h}/python
    [[ -x $python ]] || python='@PYTHON@'
    while IFS=$'\t' read -r kind value text; do
        case $kind in
            plain) described+=("${value//:/\\:}:$text") ;;
            part) parts+=("$value") ;;
            file) _files ;;
            folder) _files -/ ;;
        esac
    done < <("$python" -P -c '@ASK@' graphnet zsh $((CURRENT - 1)) "${words[@]}" 2>/dev/null)
    (( ${#described} )) && _describe -V graphnet described
    (( ${#parts} )) && compadd -S '' -- "${parts[@]}"
    return 0
}
if [[ ${funcstack[1]} == _graphnet ]]; then _graphnet "$@"; else compdef _graphnet graphnet; fi
"""

FISH = r"""# Completion of the command graphnet, for fish. Save it as ~/.config/fish/completions/graphnet.fish
function __graphnet_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l python (string replace -r '[^/]*$' '' -- (command -s $words[1]))python
    test -x "$python"; or set python '@PYTHON@'
    $python -P -c '@ASK@' graphnet fish (count $words) $words "$last" 2>/dev/null | while read -d \t kind value text
        switch $kind
            case plain part
                printf '%s\t%s\n' $value $text
            case file
                __fish_complete_path $last
            case folder
                __fish_complete_directories $last
        end
    end
end
complete -c graphnet -f -a '(__graphnet_complete)'
"""


def script(shell: str) -> str:
    """The script for a shell.

    The Python is that beside the command, as in a virtual environment, else the one that runs this.
    """
    text = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    return text.replace("@ASK@", ASK).replace("@PYTHON@", sys.executable.replace("'", r"'\''"))
