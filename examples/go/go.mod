module pulselane

go 1.19
