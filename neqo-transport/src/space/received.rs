//! space/received
