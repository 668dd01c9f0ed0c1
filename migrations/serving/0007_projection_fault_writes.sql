-- A fault may be about some writes only, as a trigger on inserts is: it is over when those work again.

-- JSON: the kinds of write that met the error, each with true once it was applied after that; NULL: it is not known which.
ALTER TABLE projection_fault ADD COLUMN writes TEXT;
