//! Files in, lines out: tables of what is read, refused and assumed.
