# web, and the sidecar that stands before it: others dial port 20001, and the sidecar asks web on port 9001.
services = [
  {
    id      = "web-1"
    name    = "web"
    address = "127.0.0.1"
    port    = 9001
    checks  = [{ http = "http://127.0.0.1:9001/healthz", interval = "1s", timeout = "1s" }]
  },
  {
    id      = "web-1-proxy"
    name    = "web-proxy"
    kind    = "connect-proxy"
    address = "127.0.0.1"
    port    = 20001
    proxy = {
      destination_service_name = "web"
      destination_service_id   = "web-1"
      local_service_address    = "127.0.0.1"
      local_service_port       = 9001
    }
  }
]
