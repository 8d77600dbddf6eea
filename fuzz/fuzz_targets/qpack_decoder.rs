#![cfg_attr(fuzzing, no_main)]

neqo_fuzz::target!(neqo_fuzz::qpack_decoder);
