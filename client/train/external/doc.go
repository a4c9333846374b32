// Package external trains a plan's External model with a program of the hospital's own.
// The hospital's configuration names the program by path and SHA-256; the plan never does.
// Trainer is the daemon's end of the conversation.
//
// The program runs without network, in user, network, process and IPC namespaces of its
// own (Linux only), with an environment of PATH, HOME, TMPDIR and LANG, within the limits of
// its [Program], in an empty directory of mode 0700. Its bytes are copied to memory, hashed
// and run from there, so that what was hashed is what runs; that holds for a script, and not
// for the interpreter that its first line names, nor for what it loads. It runs as the
// daemon's user and reads what that user may read: it is the hospital's program, and is kept
// from talking, not from looking. When it breaks a rule below it is killed with all that it
// started, the task fails, and the next task starts it again.
//
// # Protocol
//
// Version 1. The program reads one JSON object a line from its standard input and writes one
// line for each to its standard output, with the same id. What it writes to its standard
// error goes to the daemon's log. An answer {"id":N,"error":"…"} refuses a task in words. The
// program may be killed whenever it owes no answer. It must not rely on an earlier task: all
// that a task needs is in it.
//
//	{"id":1,"do":"hello","protocol":1,"inputs":[13],"classes":2,"positive":1,
//	 "tensors":[{"name":"low.a","shape":[13,2]},…],"base":"/proc/self/fd/4"}
//	{"id":1,"protocol":1,"tensors":[{"name":"low.a","shape":[13,2]},…],"correction":true}
//
// hello comes first. inputs is the shape of one record, classes how many labels there are,
// from 0, positive the one that scores are about; tensors are the parameters that are
// trained; labels, if there, is how many labels a record has, each 0 or 1; base, if the plan has one, is a file with the SHA-256 that the plan gives. The
// answer names the tensors that the program trains, which must be the same in the same order,
// and says whether it can add a correction to gradients.
//
//	{"id":2,"do":"train","parameters":"parameters.safetensors","records":"records.safetensors",
//	 "correction":"correction.safetensors","result":"result.safetensors","seed":123,
//	 "local":{"optimiser":"sgd","learning_rate":0.1,"steps":10,"epochs":0,"batch":0,"prox_mu":0}}
//	{"id":2,"loss":0.31}
//
// Files are in the working directory. parameters has the tensors; records has x, of shape
// [records, inputs…], normalised, and y, labels, of shape [records] or [records, labels]. The program trains as
// local says, with the names of the plan's keys (prox_mu pulls towards parameters), adds
// correction, if it is there, to the gradient of each step, draws everything random from
// seed, and writes the trained tensors to result. loss is the mean loss of the last step or
// epoch. A program that cannot do what local says refuses.
//
//	{"id":3,"do":"score","parameters":"parameters.safetensors","records":"records.safetensors",
//	 "result":"result.safetensors"}
//	{"id":3}
//
// records has no y. The program writes one tensor, scores, of the shape of y: the
// probability of label positive, or of each label, from 0 to 1, F32 or F64. The daemon counts with them.
//
// Files are safetensors as its library writes them: 8 bytes with the header's length,
// little-endian; a header of JSON without blanks, padded with blanks to a multiple of 8, with
// an entry {"dtype":"F32","shape":[…],"data_offsets":[from,to]} a tensor, F64 before F32 and
// each by name; then the values in that order. Parameters are F32 and finite.
package external
