module example.com/pulselane-http-worker

go 1.19
