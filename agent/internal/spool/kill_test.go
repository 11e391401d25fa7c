package spool

const childVariable = "SPOOL_TEST_CHILD"

func child(dir string) {}
