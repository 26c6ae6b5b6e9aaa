import "../tests/fuzz/main";
