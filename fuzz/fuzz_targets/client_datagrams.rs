#![cfg_attr(fuzzing, no_main)]

neqo_fuzz::target!(neqo_fuzz::client_datagrams);
