import "../tests/mutants/run";
