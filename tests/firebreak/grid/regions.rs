//! Districts and townships: imported, dated, asked.
