import "../tests/model/main";
