# Two versions of api without sidecars: they are dialled at their own addresses.
services = [
  {
    id      = "api-1"
    name    = "api"
    address = "127.0.0.1"
    port    = 9011
    meta    = { version = "v1" }
    checks  = [{ http = "http://127.0.0.1:9011/healthz", interval = "1s", timeout = "1s" }]
  },
  {
    id      = "api-2"
    name    = "api"
    address = "127.0.0.1"
    port    = 9012
    meta    = { version = "v2" }
    checks  = [{ http = "http://127.0.0.1:9012/healthz", interval = "1s", timeout = "1s" }]
  }
]
