# api-2 and the sidecar that stands before it. Others dial the sidecar; it asks the service on its own loopback.
services {
  id      = "api-2"
  name    = "api"
  address = "10.213.7.32"
  port    = 8080
  meta    = { version = "v2" }
  checks = [{
    id       = "api-2-http"
    name     = "answers on /healthz"
    http     = "http://10.213.7.32:8080/healthz"
    interval = "1s"
    timeout  = "1s"
  }]
}

services {
  id      = "api-2-proxy"
  name    = "api-proxy"
  kind    = "connect-proxy"
  address = "10.213.7.32"
  port    = 20000
  proxy = {
    destination_service_name = "api"
    destination_service_id   = "api-2"
    local_service_address    = "127.0.0.1"
    local_service_port       = 8080
  }
  checks = [{
    id            = "api-2-alias"
    name          = "as the service"
    alias_service = "api-2"
  }]
}
