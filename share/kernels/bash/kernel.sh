# kernel.sh - the bash of a session: evaluates what it is sent in one lasting shell. Speaks NDJSON with
# the guest (providers/guest/proto.h), which starts it as
#
#     bash -c '. "$0"; while __airlock_next; do set -- ARGUMENTS; eval CODE; { __airlock_end "$?"; } …; done'
#
# on one line, so that line numbers in messages are those of the code and $0 is the run's own.
#
# `exit`, `set -e`, an unset variable or an interrupt end a run, not the session: on its way out the
# shell writes itself down (variables, functions, options, mask) and goes on as a fresh bash in the
# same process. Streams are kept on high numbers: 241 242 are 1 and 2, 243 … 248 are 3 … 8.

exec 241>&1 242>&2 243<&3 244>&4 245<&5 246<&6 247<&7 248<>/dev/fd/8 3<&- 4>&- 5<&- 6<&- 7<&- 8<&-

declare -A __airlock_base=()
__airlock_self=$0 __airlock_loop=$BASH_EXECUTION_STRING __airlock_pid=$BASHPID
__airlock_run=0 __airlock_busy= __airlock_opts= __airlock_code= __airlock_xtrace=

# Options of the code are put aside while ours runs.
__airlock_calm() {
    __airlock_opts="$-"
    builtin set +aefknptuvxCBEHPT -B
    if [[ -z $__airlock_busy ]]; then return; fi
    __airlock_xtrace=
    [[ $__airlock_opts == *x* ]] && __airlock_xtrace+='builtin set -x;'
    [[ $__airlock_opts == *v* ]] && __airlock_xtrace+='builtin set -v;'
    __airlock_opts=${__airlock_opts//[!aefkuCBEHPT]/}
    builtin trap - DEBUG ERR RETURN
}

__airlock_say() {
    builtin printf "$@" >&244
}

__airlock_field() { # name line: the number after it, in __airlock_number
    __airlock_number=0
    [[ $2 =~ \"$1\":([0-9]+) ]] && __airlock_number=${BASH_REMATCH[1]}
}

# Wait for a run. Ends with the code in __airlock_code and the options of the code on.
__airlock_next() {
    local __airlock_line IFS=$' \t\n'
    __airlock_busy=
    while builtin read -r -u 243 __airlock_line; do
        case $__airlock_line in
        '{"t":"exec"'*) __airlock_begin "$__airlock_line" && return 0 ;;
        '{"t":"complete"'*) __airlock_complete "$__airlock_line" ;;
        esac
    done
    builtin trap - EXIT
    builtin exit 0
}

__airlock_begin() {
    local __airlock_line=$1 __airlock_size __airlock_chdir __airlock_args LC_ALL=C
    __airlock_field run "$__airlock_line"
    __airlock_run=$__airlock_number
    __airlock_field code "$__airlock_line"
    __airlock_size=$__airlock_number
    __airlock_field chdir "$__airlock_line"
    __airlock_chdir=$__airlock_number
    __airlock_code=
    IFS= builtin read -r -d '' __airlock_code </dev/fd/245
    builtin mapfile -d '' -t __airlock_args </dev/fd/247
    __airlock_argv=("${__airlock_args[@]:1}")
    __airlock_busy=1
    if ((${#__airlock_code} != __airlock_size)); then
        builtin echo "bash: the code holds a NUL byte" >&242
        __airlock_end 2
        return 1
    fi
    if ((__airlock_chdir)) && ! builtin cd -- "${__airlock_args[0]}" 2>&242; then
        __airlock_end 1
        return 1
    fi
    exec 0</dev/fd/246 1>&241 2>&242
    BASH_ARGV0=${__airlock_argv[0]-bash}
    builtin trap '__airlock_interrupt' INT
    builtin trap '__airlock_left "$?"' EXIT
    __airlock_code=$__airlock_xtrace$__airlock_code
    [[ -n $__airlock_opts ]] && builtin set "-$__airlock_opts"
    return 0
}

__airlock_tell_done() { # status, more members
    local __airlock_limit=
    (($1 == 153)) && __airlock_limit=',"limit":"file size"'
    __airlock_busy=
    __airlock_say '{"t":"done","run":%d,"code":%d%s%s}\n' "$__airlock_run" "$1" "$__airlock_limit" "${2-}"
}

# A trap on EXIT that the code set has its turn when the run ends.
__airlock_exit_trap() {
    builtin trap -p EXIT >/dev/fd/248
    IFS= builtin read -r -d '' __airlock_trap </dev/fd/248
    [[ -z $__airlock_trap || $__airlock_trap == *__airlock_left* ]] && return
    builtin trap - EXIT
    builtin eval "builtin set -- ${__airlock_trap#trap }"
    [[ $1 == -- ]] && shift
    builtin eval "$1" >&241 2>&242
}

# The end of the code was reached.
__airlock_end() {
    __airlock_status=$1
    __airlock_calm
    __airlock_exit_trap
    builtin trap '__airlock_interrupt' INT
    exec 0</dev/null 1>&241 2>&242
    __airlock_tell_done "$__airlock_status"
    __airlock_vars
}

# The shell is about to end: its state goes on.
__airlock_left() {
    [[ $BASHPID == "$__airlock_pid" && -n $__airlock_busy ]] || return 0
    __airlock_calm
    __airlock_go_on "$1"
}

__airlock_interrupt() {
    [[ $BASHPID == "$__airlock_pid" && -n $__airlock_busy ]] || return 0
    __airlock_calm
    __airlock_go_on 130 ',"interrupted":1'
}

exit() {
    __airlock_status=${1-$?}
    [[ $BASHPID == "$__airlock_pid" && -n $__airlock_busy ]] || builtin exit "$__airlock_status"
    __airlock_calm
    __airlock_exit_trap
    __airlock_go_on "$((__airlock_status & 255))"
}

__airlock_go_on() {
    local __airlock_list
    builtin compgen -v >/dev/fd/248
    builtin mapfile -t __airlock_list </dev/fd/248
    __airlock_write_down >/dev/fd/248 2>/dev/null
    exec 0</dev/null 1>&241 2>&242 3<&243 4>&244 5<&245 6<&246 7<&247 8<>/dev/fd/248
    __airlock_tell_done "$@"
    AIRLOCK_AGAIN=$__airlock_run exec "$BASH" --norc --noprofile -c "$__airlock_loop" "$__airlock_self"
}

__airlock_write_down() {
    local __airlock_name
    for __airlock_name in "${__airlock_list[@]}"; do
        __airlock_is_news "$__airlock_name" && builtin declare -p "$__airlock_name"
    done
    builtin declare -p __airlock_base __airlock_opts __airlock_xtrace
    builtin declare -f
    builtin shopt -p
    [[ -o pipefail ]] && builtin echo 'set -o pipefail'
    builtin printf 'umask %s\n' "$(builtin umask)"
}

# ---- variables

# Is it a variable of the code, or one that it changed?
__airlock_is_news() {
    case $1 in
    __airlock_* | AIRLOCK_AGAIN | BASH | BASH_* | BASHOPTS | BASHPID | COMP_* | DIRSTACK | EPOCH* | EUID | FUNCNAME | OLDPWD | \
        GROUPS | HISTCMD | IFS | LINENO | OPTERR | OPTIND | PIPESTATUS | PPID | RANDOM | REPLY | SECONDS | SHELLOPTS | \
        SHLVL | SRANDOM | UID | _ | MAPFILE) return 1 ;;
    esac
    [[ -z ${__airlock_base[$1]+x} || ${__airlock_base[$1]} != "=${!1-}" ]]
}

__airlock_vars() {
    local __airlock_list __airlock_name __airlock_type __airlock_shape __airlock_until=$((${EPOCHREALTIME/[.,]/} + 20000))
    builtin compgen -v >/dev/fd/248
    builtin mapfile -t __airlock_list </dev/fd/248
    for __airlock_name in "${__airlock_list[@]}"; do
        ((${EPOCHREALTIME/[.,]/} > __airlock_until)) && break
        __airlock_is_news "$__airlock_name" || continue
        local -n __airlock_ref=$__airlock_name
        __airlock_shape=
        case ${__airlock_ref@a} in
        *A*) __airlock_type=map __airlock_shape=${#__airlock_ref[@]} ;;
        *a*) __airlock_type=array __airlock_shape=${#__airlock_ref[@]} ;;
        *i*) __airlock_type=integer ;;
        *) __airlock_type=string __airlock_shape=${#__airlock_ref} ;;
        esac
        if [[ $__airlock_type == map || $__airlock_type == array ]]; then
            builtin printf '%s\0%s\0%s\0%s\0' "$__airlock_name" "$__airlock_type" "$__airlock_shape" "${__airlock_ref[*]@K}"
        else
            builtin printf '%s\0%s\0%s\0%s\0' "$__airlock_name" "$__airlock_type" "$__airlock_shape" "${__airlock_ref:0:200000}"
        fi
        builtin unset -n __airlock_ref
    done >/dev/fd/248 2>/dev/null
    __airlock_say '{"t":"vars","run":%d,"memfd":1}\n' "$__airlock_run"
}

# ---- completion: names only, nothing is run

__airlock_complete() {
    local __airlock_token __airlock_cursor __airlock_text= __airlock_hex __airlock_word __airlock_names __airlock_out= __airlock_n
    __airlock_field token "$1"
    __airlock_token=$__airlock_number
    __airlock_field cursor "$1"
    __airlock_cursor=$__airlock_number
    [[ $1 =~ \"text\":\"([0-9a-f]*)\" ]] && __airlock_hex=${BASH_REMATCH[1]:0:2*__airlock_cursor}
    while [[ -n $__airlock_hex ]]; do
        builtin printf -v __airlock_n "\\x${__airlock_hex:0:2}"
        __airlock_text+=$__airlock_n __airlock_hex=${__airlock_hex:2}
    done
    __airlock_word=${__airlock_text##*[!A-Za-z0-9_./-]}
    if [[ $__airlock_text == *\$"$__airlock_word" || $__airlock_text == *\$\{"$__airlock_word" ]]; then
        builtin mapfile -t __airlock_names < <(builtin compgen -v -- "$__airlock_word")
    else
        builtin mapfile -t __airlock_names < <(builtin compgen -abckf -- "$__airlock_word" | command sort -u | command head -n 300)
    fi
    for __airlock_n in "${__airlock_names[@]}"; do
        [[ $__airlock_n == *[!A-Za-z0-9_./+-]* || $__airlock_n == __airlock_* ]] || __airlock_out+="${__airlock_out:+,}\"$__airlock_n\""
    done
    __airlock_say '{"t":"completion","token":%d,"names":[%s]}\n' "$__airlock_token" "$__airlock_out"
}

# ---- the start, or the going on

if [[ -n ${AIRLOCK_AGAIN-} ]]; then
    __airlock_run=$AIRLOCK_AGAIN
    unset AIRLOCK_AGAIN
    builtin source /dev/fd/248 2>/dev/null
    __airlock_vars
else
    for __airlock_code in $(compgen -v); do
        __airlock_base[$__airlock_code]="=${!__airlock_code-}"
    done
    __airlock_base[PWD]="=$PWD"
    __airlock_base[OLDPWD]="=${OLDPWD-}"
    builtin echo 300 2>/dev/null >/proc/self/oom_score_adj
    __airlock_say '{"t":"ready","pid":%d}\n' "$BASHPID"
fi
trap '__airlock_interrupt' INT
