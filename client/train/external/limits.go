package external

import "time"

// Bounds on what comes from the program, and on the program.
const (
	MaxLine         = 256 << 10         // bytes of a line, either way
	MaxError        = 500               // bytes of a refusal in words
	MaxProgramBytes = 512 << 20         // the program itself; it is held in memory
	MaxSeconds      = 7 * 86400         // the longest time limit of one task
	MinMemory       = 64 << 20          // bytes of the least memory limit
	DefaultSeconds  = 3600              // of one task
	DefaultMemory   = 16 << 30          // bytes of addresses of each process
	maxStderrLine   = 1 << 10           // bytes of a line that are logged
	maxStderrLines  = 100               // of one task; the others are counted
	maxProcesses    = 1024              // processes and threads
	maxFiles        = 1024              // open files of a process
	maxFileBytes    = 1 << 30           // of a file that it writes
	helloTime       = 120 * time.Second // for start and hello, if a task may take as long
	seedMask        = 1<<53 - 1         // exact in any JSON reader
)
