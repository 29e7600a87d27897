/* proto.h - the guest protocol: how we and the guest inside a wall talk. Shared by both sides.
 *
 * THE STREAM. The wall starts `GUEST_PATH` with one byte stream on descriptors 0 and 1 (a
 * socketpair locally, pipes, a hijacked Docker stream or vsock elsewhere; both numbers may be one
 * socket) and a log on 2. The guest speaks first: `GUEST_MAGIC`, then frames, both ways:
 *
 *     u8 kind, u8 stream, u16be 0, u32be len (<= FRAME_MAX), payload
 *
 *     1 control   one JSON object in UTF-8, without \u0000; "t" names it (below)
 *     2 output    guest to us. stream 1 stdout, 2 stderr of the run that is on; + STREAM_BACKGROUND
 *                 (0x10): bytes of no run ("run 0")
 *     3 bulk      raw bytes that belong to the control message before them (to the guest), or to
 *                 the stream BULK_FILE / BULK_SAVED (from the guest)
 *     4 credit    to the guest: u32be, bytes of kinds 2 and 3 we have dealt with. The guest never
 *                 has more than CREDIT_WINDOW bytes of them unacknowledged.
 *
 * Any other kind, stream, length, order or type is a protocol error: we end the run and the
 * sandbox; the guest writes one line to its log and exits 3.
 *
 * BODIES. A message with "sizes":[n,...] is followed by exactly the sum of them in bulk bytes: the
 * byte strings it names, one behind the other, in frames of any length. So code, arguments, file
 * names and input are bytes and stay the bytes that were approved. Between its frames only credit
 * and `interrupt` may come.
 *
 * TO THE GUEST
 *   setup      {nproc,nofile,fsize,memory,keep,watch,once,env:[[name,value],...]}   first, once.
 *              rlimits of the interpreters; `keep` frozen copies; `watch` (bytes, 0 off): end the
 *              run as oom when all processes and tmpfs together pass it; `once` (lifecycle=run):
 *              what a run leaves behind is killed with it. env = the whole environment.
 *   start      {sizes:[language,interpreter]}                       ahead of its first use; started
 *   exec       {run,timeout_ms,checkpoint,argc,existc,filec,modes:[...],sizes:[language,
 *              interpreter,code,cwd,input,check,argv...,exists...,(name,content)...]}   begin, done
 *   interrupt  {run}            SIGINT to the interpreter's process group; ignored for other runs
 *   drop       {run}            forget the frozen copy after `run` (0: the oldest)      dropped
 *   restore    {run}            go back to it                                           restored
 *   save       {run}            pickle the newest state                                 saved
 *   load       {sizes:[n]}      a saved namespace                                       restored
 *   put        {token,mode,sizes:[name,content]}                                        file
 *   get        {token,max,sizes:[name]}                                                 file
 *   complete   {token,cursor,sizes:[language,text]}     cursor in bytes                 completion
 *   One of exec, restore, save, load is on at a time; the rest may come whenever.
 *
 * FROM THE GUEST
 *   hello      {proto,pid,uid,cap_eff,no_new_privs,seccomp,core_pattern,writable:[...],kernel,
 *              boot_id}                                 what it found out about its own walls
 *   started    {language,pid} or {language,error}
 *   begin      {run}                                    the code is about to run
 *   result     {run,mime,main,more,data}                base64; `more`: the next one goes on
 *   done       {run,end,code,signal,what,limits,wall_us,out,err,cwd,lost,resumed,message,
 *              error:{name,value,traceback},check:{ok,text},exists:[bool,...]}
 *              end: exit signal timeout interrupted oom limit sandbox. Exactly one per exec, behind
 *              all of the run's output. `lost`: the interpreter died; `resumed`: the run whose
 *              frozen copy took its place, 0 none.
 *   state      {run,language,more,truncated,vars:[{name,type,shape,bytes,preview,digest,opaque}],
 *              files:[{path,change,bytes}],files_truncated,unknown}
 *              after done; parts with `more`, the last without. `unknown`: variables not read.
 *   checkpoint {run} | dropped {run,why} | restored {run,kept,lost,error}
 *   saved      {run,size,kept,lost,error}               size bytes of BULK_SAVED came before it
 *   file       {token,path,size,mode,error}             size bytes of BULK_FILE came before it
 *   completion {token,names:[...]}
 *
 * GUEST AND INTERPRETER. The interpreter is started in a process group of its own with
 *   0 /dev/null  1, 2 pipes (1 MiB)  3 requests, 4 answers: NDJSON over one socketpair
 *   5 memfd: code, then check code  6 memfd: the run's stdin  7 memfd: cwd and argv, each ended by
 * NUL 8 memfd: variables of a kernel that can't write JSON (bash): name, attributes, value, each +
 * NUL and AIRLOCK_KERNEL=<directory of its files> in the environment. It answers `ready`; then to
 * it    exec {run,code,check,chdir} (lengths; chdir: go to cwd first) | check {run,code,check} |
 *            checkpoint {run,keep} + one descriptor (SCM_RIGHTS): its channel | complete {token,
 *            cursor,text} (hex) | load {code} | save {run} + one descriptor
 *   from it  ready {pid} | result | done {run,code,error,check,cwd,interrupted} | forked {run,pid}
 * | vars | state | completion | restored A frozen copy listens on its channel: `wake` + descriptors
 * (1 2 3 5 6 7), `save` + one descriptor; and sends `state`, then nothing until it is woken.
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

#endif
