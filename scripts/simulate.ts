import "../tests/simulation/main";
