// The smallest program, for the rows that start one.
int main(void) { return 0; }
