//! Geometry held against what others computed: answer keys of real lines, pyproj, real tracks; and its laws.

mod laws;
mod nepal;
mod pyproj;
mod tracks;
