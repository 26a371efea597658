//! The same grid from GeoJSON, tables and GeoPackages, and what is wrong with a file in words.
