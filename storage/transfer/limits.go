package transfer

// workers is how many objects travel at once; each is whole in memory.
const workers = 8
