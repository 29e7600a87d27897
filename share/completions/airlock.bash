# bash completion for airlock
_airlock() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W '--planner --sandbox --contract --budget --data --config --plain --json --no-color --theme --quiet --verbose --version --help --lease --policy --expect --language --all --what --mask --word --side-by-side --by --what-if --runs --format --output --raw --var --into --force --artifacts --on --jobs --speed --idle-cap --from --size --hide-decisions --frames' -- "$cur"))
    elif [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W 'resume fork tree run exec sessions show diff rerun replay export import search stats cost verify providers contract doctor sandboxes config help' -- "$cur"))
    else
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}
complete -o filenames -F _airlock airlock
