# web-1 and the sidecar that stands before it. Others dial the sidecar; it asks the service on its own loopback.
services {
  id      = "web-1"
  name    = "web"
  address = "10.213.7.21"
  port    = 8080
  meta    = { version = "v1" }
  checks = [{
    id       = "web-1-http"
    name     = "answers on /healthz"
    http     = "http://10.213.7.21:8080/healthz"
    interval = "1s"
    timeout  = "1s"
  }]
}

services {
  id      = "web-1-proxy"
  name    = "web-proxy"
  kind    = "connect-proxy"
  address = "10.213.7.21"
  port    = 20000
  proxy = {
    destination_service_name = "web"
    destination_service_id   = "web-1"
    local_service_address    = "127.0.0.1"
    local_service_port       = 8080
  }
  checks = [{
    id            = "web-1-alias"
    name          = "as the service"
    alias_service = "web-1"
  }]
}
