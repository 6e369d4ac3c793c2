// A PMM in small: the requests that it makes of its platform, written by Go's own HTTP client with the same headers, and
// the answers decoded as strictly as PMM does, or more so. It is run by tests/rooms/api_clients.rs and ends with 1 at the
// first thing that PMM would not understand.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"
)

// The error that the platform answers: the code is a number, or nothing can be read.
type gatewayError struct {
	Error   string            `json:"error"`
	Code    uint32            `json:"code"`
	Message string            `json:"message"`
	Details []json.RawMessage `json:"details"`
}

type ticket struct {
	Number           string `json:"number"`
	ShortDescription string `json:"short_description"`
	Priority         string `json:"priority"`
	State            string `json:"state"`
	CreateTime       string `json:"create_time"`
	Department       string `json:"department"`
	Requester        string `json:"requester"`
	Requestor        string `json:"requestor"`
	TaskType         string `json:"task_type"`
	URL              string `json:"url"`
}

type tickets struct {
	Tickets []*ticket `json:"tickets"`
}

type platform struct {
	SecurityAdvisor string `json:"security_advisor"`
	ConfigAdvisor   string `json:"config_advisor"`
}

type entitlement struct {
	Number           string   `json:"number"`
	Name             string   `json:"name"`
	Summary          string   `json:"summary"`
	Tier             string   `json:"tier"`
	TotalUnits       string   `json:"total_units"`
	UnlimitedUnits   bool     `json:"unlimited_units"`
	SupportLevel     string   `json:"support_level"`
	SoftwareFamilies []string `json:"software_families"`
	StartDate        string   `json:"start_date"`
	EndDate          string   `json:"end_date"`
	Platform         platform `json:"platform"`
}

type entitlements struct {
	Entitlements []*entitlement `json:"entitlements"`
}

type organization struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	Tier      string `json:"tier"`
}

type organizationAndContacts struct {
	Org      organization `json:"org"`
	Contacts struct {
		CustomerSuccess struct {
			Name  string `json:"name"`
			Email string `json:"email"`
		} `json:"customer_success"`
		NewTicketURL string `json:"new_ticket_url"`
	} `json:"contacts"`
}

// What an end of a test says.
func fail(format string, values ...any) {
	fmt.Printf(format+"\n", values...)
	os.Exit(1)
}

type pmm struct {
	base, token string
	client      *http.Client
	// To 2.29 no content type is sent.
	old bool
}

// Makes a request as PMM does: no body is http.NoBody, and whatever is not 200 is an error.
func (p *pmm) call(method, path string, body any, answer any) *gatewayError {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			fail("%s: %v", path, err)
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, p.base+path, reader)
	if err != nil {
		fail("%s: %v", path, err)
	}
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	if !p.old {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := p.client.Do(request)
	if err != nil {
		fail("%s: %v", path, err)
	}
	defer response.Body.Close()
	if len(response.Request.URL.Path) == 0 || response.Request.URL.Path != request.URL.Path {
		fail("%s: redirected to %s", path, response.Request.URL)
	}
	decoder := json.NewDecoder(response.Body)
	if response.StatusCode != http.StatusOK {
		var refusal gatewayError
		if err := decoder.Decode(&refusal); err != nil {
			fail("%s: %d: %v", path, response.StatusCode, err)
		}
		if refusal.Code == 0 || refusal.Message == "" || refusal.Error != refusal.Message {
			fail("%s: %d: an error that PMM cannot show: %+v", path, response.StatusCode, refusal)
		}
		return &refusal
	}
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(answer); err != nil {
		fail("%s: %v", path, err)
	}
	return nil
}

func (p *pmm) must(method, path string, body any, answer any) {
	if refusal := p.call(method, path, body, answer); refusal != nil {
		fail("%s: %+v", path, *refusal)
	}
}

func (p *pmm) refused(method, path string, body any, code uint32, message string) {
	refusal := p.call(method, path, body, &map[string]any{})
	if refusal == nil || refusal.Code != code || refusal.Message != message {
		fail("%s: not refused with %d %q: %+v", path, code, message, refusal)
	}
}

// Times are read by time.Time's own rules; one that is empty or odd loses the whole list.
func moment(what, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.IsZero() {
		fail("%s: %q: %v", what, text, err)
	}
	return at
}

func same(what string, left, right any) {
	if !reflect.DeepEqual(left, right) {
		fail("%s: %v is not %v", what, left, right)
	}
}

// Every value is there: a list is a list and not null.
func (p *pmm) lists(org, number, name, email string) {
	var t tickets
	p.must(http.MethodPost, "/v1/orgs/"+org+"/tickets:search", nil, &t)
	if t.Tickets == nil {
		fail("the tickets are null")
	}
	for _, ticket := range t.Tickets {
		moment("create_time", ticket.CreateTime)
		same("requester", ticket.Requester, ticket.Requestor)
	}
	var e entitlements
	p.must(http.MethodPost, "/v1/orgs/"+org+"/entitlements:search", nil, &e)
	if e.Entitlements == nil {
		fail("the entitlements are null")
	}
	for _, entitlement := range e.Entitlements {
		start, end := moment("start_date", entitlement.StartDate), moment("end_date", entitlement.EndDate)
		if !start.Before(end) || entitlement.SoftwareFamilies == nil {
			fail("an odd entitlement: %+v", entitlement)
		}
	}
	var o organizationAndContacts
	p.must(http.MethodGet, "/v1/orgs/"+org, nil, &o)
	same("org id", o.Org.ID, org)
	moment("created_at", o.Org.CreatedAt)
	moment("updated_at", o.Org.UpdatedAt)
	same("contact", o.Contacts.CustomerSuccess.Name+" "+o.Contacts.CustomerSuccess.Email, name+" "+email)
	if number != "" {
		same("newest ticket", t.Tickets[0].Number, number)
		same("entitlements", len(e.Entitlements) > 0, true)
		same("where tickets are raised", strings.HasSuffix(o.Contacts.NewTicketURL, "/organization/tickets/new"), true)
	} else {
		same("tickets and entitlements", len(t.Tickets)+len(e.Entitlements), 0)
	}
}

func (p *pmm) telemetry() {
	report := map[string]any{"reports": []any{map[string]any{
		"id": "d6a9d51a-6b21-4a1b-8a0f-0c7a3d2f5c11", "createTime": "2026-11-24T12:00:00Z", "instanceId": "0b1e4c2f-6a0f-4f6e-9d1c-b1a2c3d4e5f6",
		"productFamily": "PRODUCT_FAMILY_PMM", "metrics": []any{map[string]any{"key": "pmm_server_uptime_seconds", "value": "42"}},
	}}}
	p.must(http.MethodPost, "/v1/telemetry/GenericReport", report, &struct{}{})
}

func (p *pmm) advisors() {
	for _, call := range []string{"GetAllChecks", "GetAllAdvisors", "GetAllAlertRuleTemplates"} {
		p.refused(http.MethodPost, "/v1/check/"+call, nil, 5, "Advisors are not served by this portal.")
	}
}

type connectRequest struct {
	PMMServerID               string `json:"pmm_server_id"`
	PMMServerName             string `json:"pmm_server_name"`
	PMMServerURL              string `json:"pmm_server_url"`
	PMMServerOAuthCallbackURL string `json:"pmm_server_oauth_callback_url"`
}

type ssoDetails struct {
	GrafanaClientID        string `json:"grafana_client_id"`
	PMMManagedClientID     string `json:"pmm_managed_client_id"`
	PMMManagedClientSecret string `json:"pmm_managed_client_secret"`
	Scope                  string `json:"scope"`
	IssuerURL              string `json:"issuer_url"`
}

type connectResponse struct {
	SSODetails *ssoDetails `json:"sso_details"`
	OrgID      string      `json:"org_id"`
}

type machineToken struct {
	TokenType   string `json:"token_type"`
	ExpiresIn   int32  `json:"expires_in"`
	AccessToken string `json:"access_token"`
	Scope       string `json:"scope"`
}

// Asks for the server's own token: the parameters in the address, no body, Basic authentication.
func (p *pmm) machine(details *ssoDetails, public string) (int, machineToken) {
	// The provider's address is the public one; here the server listens on a port of its own.
	issuer := strings.Replace(details.IssuerURL, public, p.base, 1)
	request, err := http.NewRequest(http.MethodPost, issuer+"/token?grant_type=client_credentials&scope="+details.Scope, nil)
	if err != nil {
		fail("token: %v", err)
	}
	request.SetBasicAuth(details.PMMManagedClientID, details.PMMManagedClientSecret)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := p.client.Do(request)
	if err != nil {
		fail("token: %v", err)
	}
	defer response.Body.Close()
	var token machineToken
	if response.StatusCode == http.StatusOK {
		decoder := json.NewDecoder(response.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&token); err != nil {
			fail("token: %v", err)
		}
	}
	return response.StatusCode, token
}

// From the pasted token to connected, and to disconnected again by the person's own.
func connect(base, pasted, person, org, public string) {
	p := &pmm{base: base, token: pasted, client: &http.Client{Timeout: 30 * time.Second}}
	id := "9a2f7a2c-3a5e-4a51-9c06-2a7f0d3a7c11"
	address := "https://" + org + ".example.com/graph"
	request := connectRequest{id + org[:4], "my PMM", address, address + "/login/generic_oauth"}
	ask := func() *ssoDetails {
		var connected connectResponse
		p.must(http.MethodPost, "/v1/orgs/inventory", request, &connected)
		same("the organization", connected.OrgID, org)
		if connected.SSODetails == nil || strings.HasSuffix(connected.SSODetails.IssuerURL, "/") {
			fail("PMM cannot use %+v", connected)
		}
		for _, text := range []string{connected.SSODetails.GrafanaClientID, connected.SSODetails.PMMManagedClientID, connected.SSODetails.PMMManagedClientSecret} {
			if text == "" || strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
				fail("an odd credential: %q", text)
			}
		}
		return connected.SSODetails
	}
	first := ask()
	status, token := p.machine(first, public)
	same("status", status, http.StatusOK)
	same("token type", token.TokenType, "Bearer")
	if token.ExpiresIn <= 300 || token.AccessToken == "" {
		fail("a token that PMM would ask for before every call: %+v", token)
	}
	machine := &pmm{base: base, token: token.AccessToken, client: p.client}
	machine.telemetry()
	machine.advisors()
	// After a forced disconnect the same server comes again: the old credentials are dead.
	second := ask()
	status, _ = p.machine(first, public)
	same("status of dead credentials", status, http.StatusUnauthorized)
	status, _ = p.machine(second, public)
	same("status", status, http.StatusOK)
	// The pasted token reads nothing, and disconnects nothing.
	p.refused(http.MethodPost, "/v1/orgs/"+org+"/tickets:search", nil, 7, "This token is not for reading. Use one with the scope that allows it.")
	p.refused(http.MethodPost, "/v1/orgs/inventory/"+request.PMMServerID+":disconnect", nil, 7, "This token is not for this. Use one with the scope that allows it.")
	q := &pmm{base: base, token: person, client: p.client}
	q.must(http.MethodPost, "/v1/orgs/inventory/"+request.PMMServerID+":disconnect", nil, &struct{}{})
	status, _ = p.machine(second, public)
	same("status of a disconnected server", status, http.StatusUnauthorized)
	q.refused(http.MethodPost, "/v1/orgs/inventory/"+request.PMMServerID+":disconnect", nil, 5, "This does not exist, or is not there for you.")
	request.PMMServerOAuthCallbackURL = "https://evil.example/graph/login/generic_oauth"
	if refusal := p.call(http.MethodPost, "/v1/orgs/inventory", request, &connectResponse{}); refusal == nil || refusal.Code != 3 {
		fail("a callback on another host: %+v", refusal)
	}
}

// A PMM that stays: connected with the pasted token, its own token fetched. Prints what it was given.
func join(base, pasted, id, address string) {
	p := &pmm{base: base, token: pasted, client: &http.Client{Timeout: 30 * time.Second}}
	var connected connectResponse
	p.must(http.MethodPost, "/v1/orgs/inventory", connectRequest{id, "Production", address, address + "/login/generic_oauth"}, &connected)
	status, token := p.machine(connected.SSODetails, base)
	same("status", status, http.StatusOK)
	machine := &pmm{base: base, token: token.AccessToken, client: p.client}
	machine.telemetry()
	if err := json.NewEncoder(os.Stdout).Encode(connected); err != nil {
		fail("%v", err)
	}
}

// Disconnects with the token of who is signed in to PMM, and what PMM had is worth nothing from then on.
func part(base, person, id, machineID, machineSecret string) {
	p := &pmm{base: base, token: person, client: &http.Client{Timeout: 30 * time.Second}}
	p.must(http.MethodPost, "/v1/orgs/inventory/"+id+":disconnect", nil, &struct{}{})
	status, _ := p.machine(&ssoDetails{"", machineID, machineSecret, "percona", base + "/oauth2"}, base)
	same("status of a disconnected server", status, http.StatusUnauthorized)
	if refusal := p.call(http.MethodPost, "/v1/orgs/inventory/"+id+":disconnect", nil, &struct{}{}); refusal == nil || refusal.Code != 16 {
		fail("the token of who was signed in lives on: %+v", refusal)
	}
}

func main() {
	if len(os.Args) == 6 && os.Args[1] == "join" {
		join(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
		return
	}
	if len(os.Args) == 7 && os.Args[1] == "part" {
		part(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6])
		fmt.Println("PMM is disconnected")
		return
	}
	if len(os.Args) == 7 && os.Args[1] == "connect" {
		connect(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6])
		fmt.Println("PMM connects and disconnects")
		return
	}
	if len(os.Args) != 9 || os.Args[1] != "lists" {
		fail("usage: pmmclient lists BASE TOKEN ORG NUMBER NAME EMAIL OTHER_ORG | connect BASE PASTED PERSON ORG PUBLIC | join BASE PASTED ID ADDRESS | part BASE PERSON ID MACHINE_ID MACHINE_SECRET")
	}
	base, token, org, number, name, email, other := os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6], os.Args[7], os.Args[8]
	for _, old := range []bool{false, true} {
		p := &pmm{base: base, token: token, client: &http.Client{Timeout: 30 * time.Second}, old: old}
		p.lists(org, number, name, email)
		p.telemetry()
		p.advisors()
		p.refused(http.MethodPost, "/v1/orgs/"+other+"/tickets:search", nil, 5, "This does not exist, or is not there for you.")
		stranger := &pmm{base: base, token: "nonsense", client: p.client, old: old}
		stranger.telemetry()
		stranger.refused(http.MethodPost, "/v1/orgs/"+org+"/entitlements:search", nil, 16,
			"The session or token is missing, wrong, expired or revoked. Send a good one as Authorization: Bearer.")
	}
	fmt.Println("PMM understands everything")
}
