/* proto.h - the guest protocol: how we and the guest inside a wall talk. Shared by both sides.
 *
 * THE STREAM. The wall starts GUEST_PATH in GUEST_WORKSPACE, with one byte stream on descriptors 0
 * and 1 (a socketpair locally, pipes, a hijacked Docker stream or vsock elsewhere; both numbers may
 * be one socket) and a log on 2, best as pid 1 of its namespace. Under network=allow it has one
 * argument, the number of one more descriptor: the guest listens on GUEST_PROXY_PORT of its own
 * loopback, sends that socket there (SCM_RIGHTS, one byte) before anything else, and closes both.
 * The guest speaks first: GUEST_MAGIC, then frames, both ways:
 *
 *     u8 kind, u8 stream, u16be 0, u32be len (<= FRAME_MAX), payload
 *
 *     1 control   one JSON object in UTF-8, without \u0000; "t" names it (below)
 *     2 output    guest to us. stream 1 stdout, 2 stderr of the run that is on; with
 *                 STREAM_BACKGROUND added, bytes of no run ("run 0")
 *     3 bulk      raw bytes: to the guest the body of the control message before them, from the
 *                 guest a file (BULK_FILE) or a saved namespace (BULK_SAVED)
 *     4 credit    to the guest: u32be, bytes of kinds 2 and 3 we have dealt with. The guest never
 *                 has more than CREDIT_WINDOW of them unacknowledged, so control is never far
 *                 behind output.
 *
 * Any other kind, stream, length, order or type is a protocol error: we end the run ("limit",
 * "protocol") and the sandbox; the guest writes one line to its log and exits 3. When the stream
 * ends the guest kills all its descendants and exits 0.
 *
 * BODIES. A message with "sizes":[n,...] is followed by exactly that many bulk bytes: the byte
 * strings it names, one behind the other, in full frames but the last. So code, arguments, file
 * names and input are bytes and stay the bytes that were approved. Between its frames only credit,
 * interrupt and drop may come.
 *
 * TO THE GUEST
 *   setup      {nproc,nofile,fsize,watch,keep,once,python,env:[[name,value],...]}   first, once.
 *              rlimits of the interpreters (0: not set); `watch` bytes (0 off): end a run as oom
 *              when all processes and tmpfs together pass it; `keep` frozen copies; `once`
 *              (lifecycle=run): what a run leaves behind is killed with it; `python`: interpreter
 *              of checks and loads; env: the whole environment.
 *   start      {sizes:[language,interpreter]}           ahead of its first use     -> started
 *   exec       {run,timeout_ms,checkpoint,argc,existc,filec,modes:[...],sizes:[language,
 *              interpreter,code,cwd,input,check,argv...,exists...,(name,content)...]}
 *                                                       -> begin ... done, files, state
 *   interrupt  {run}           SIGINT to the interpreter's process group. A second one, 0.8 s later
 *                              or more, kills it. Of another run: ignored.
 *   drop       {run}           forget the frozen copy after `run`                  -> dropped
 *   restore    {run}           go back to it                                       -> restored
 *   save       {}              pickle the newest state, beside whatever else is on -> saved
 *   load       {sizes:[n]}     a saved namespace                                   -> restored
 *   put        {token,mode,sizes:[name,content]}                                   -> file
 *   get        {token,max,sizes:[name]}                 one at a time              -> file
 *   complete   {token,cursor,sizes:[language,text]}     cursor in bytes            -> completion
 *   exec, restore and load exclude each other; the rest may come whenever.
 *
 * FROM THE GUEST. "of" holds what an interpreter said, as it said it: believed least.
 *   hello      {proto,pid,uid,cap_eff,no_new_privs,seccomp,core_pattern,writable:[dir,...],kernel,
 *              boot_id}                                 what it found out about its own walls
 *   started    {language,pid} or {language,error}
 *   begin      {run}                                    its code is about to run
 *   result     {run,of:{mime,main,more,data}}           base64; `more`: the next one goes on
 *   done       {run,end,code?,signal?,what?,wall_us,out,err,lost,resumed,message?,disk_full?,
 *              exists:[bool,...],of:{code,limit?,interrupted?,error:{name,value,traceback},
 *              check:{ok,text}},check:{check:{ok,text}}}
 *              end: exit signal timeout interrupted oom limit sandbox. One per exec, behind all of
 *              the run's output; `out` and `err` count it. `lost`: the interpreter died; `resumed`:
 *              the run whose frozen copy took its place, 0 none. The outer check is that of a run
 *              in another language than python.
 *   files      {run,files:[{path,change,bytes}],truncated}          once after done
 *   state      {run,of:{more,vars:[{name,type,shape,bytes,preview,digest,opaque}],truncated}} or
 *              {run,of:{unknown:1}}    after done, parts with `more`, the last without. `opaque`:
 *              an equal digest proves nothing.
 *   checkpoint {run} | dropped {run,why}
 *   restored   {run,asked,of:{kept,lost}} or {run,error}    asked 0: by itself, after a death
 *   died       {language,code,signal}                   an interpreter, between runs
 *   saved      {run,size,of:{kept,lost}} or {..,error}  size bytes of BULK_SAVED came before it
 *   file       {token,path,size,mode,error?}            size bytes of BULK_FILE came before it
 *   completion {token,of:{names:[...]}}
 *
 * GUEST AND INTERPRETER. It is started in a process group of its own, with
 *   0 /dev/null   1 2 pipes (1 MiB)   3 4 one socket: NDJSON, requests and answers
 *   5 memfd: code, check code behind it   6 memfd: stdin   7 memfd: cwd and argv, each + NUL
 *   8 memfd: variables of a kernel that can't write JSON (bash): name, type, shape, value, each +
 * NUL and answers `ready {pid}` or `ready {error}`. Then to it    exec
 * {run,code,check,chdir,argc,args,input} (lengths; chdir: go to cwd first) | check {run,check,args}
 * | checkpoint {run,keep} + its channel (SCM_RIGHTS) | complete {token,cursor,text} (hex) | load
 * {code} | save {} + a socket | interrupt {run} from it  result | done | vars {run,more,vars} or
 * {run,memfd:1} | forked {run,error} | completion {token,names} | restored {kept,lost} | stop {run}
 * (send me SIGINT) After `done` the guest reads what FIONREAD says of both pipes, then tells us. A
 * frozen copy says `frozen`, then `state`, on its channel (its pid is the one the kernel attests
 * there), and listens: wake {} + 1 2 3 5 6 7 | save {} + a socket. Who saves writes chunks (u32be
 * n, n bytes), a zero and {kept,lost}.
 */
#ifndef AIRLOCK_PROVIDERS_GUEST_PROTO_H
#define AIRLOCK_PROVIDERS_GUEST_PROTO_H

#define GUEST_MAGIC     "AIRLOCK1\n"
#define GUEST_MAGIC_LEN 9
#define GUEST_PROTO     1

/* Where walls put things. Files of share/ named "kernels/..." go to GUEST_DIR "/" name. */
#define GUEST_DIR       "/sbx"
#define GUEST_PATH      GUEST_DIR "/guest"
#define GUEST_WORKSPACE "/workspace"

#define FRAME_HEAD      8
#define FRAME_MAX       (1u << 20)
#define CREDIT_WINDOW   (4u << 20)
#define OUTPUT_READ     (256u << 10)

enum frame_kind { FRAME_CONTROL = 1, FRAME_OUTPUT, FRAME_BULK, FRAME_CREDIT };

#define STREAM_BACKGROUND 0x10
#define BULK_BODY         0 /* to the guest */
#define BULK_FILE         1
#define BULK_SAVED        2

/* Where interpreters find the proxy under network=allow. */
#define GUEST_PROXY_PORT 3128
#define GUEST_PROXY_URL  "http://127.0.0.1:3128"

/* Ceilings both sides keep to. */
#define CODE_MAX       (1u << 20)
#define CHECK_MAX      (1u << 20)
#define INPUT_MAX      (16u << 20)
#define BODY_MAX       (48u << 20)
#define ARGS_MAX       1024
#define EXISTS_MAX     256
#define EXEC_FILES_MAX 1024
#define NAME_MAX_BYTES 4096
#define SAVED_MAX      (72u << 20) /* 64 MiB of variables and their headers */
#define RESULT_MAX     (32u << 20) /* one result, decoded */
#define KEEP_MAX       16
#define PROBE_RUN      0xffffffffu /* SANDBOX_PROBE_RUN: its variables are nobody's */

#endif
