//! Who the user is: a verified token in, a smaller token out.
