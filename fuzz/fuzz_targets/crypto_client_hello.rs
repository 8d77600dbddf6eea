#![cfg_attr(fuzzing, no_main)]

neqo_fuzz::target!(neqo_fuzz::crypto_client_hello);
