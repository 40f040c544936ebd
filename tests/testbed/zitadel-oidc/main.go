// A token service made with ZITADEL's OpenID library. Forms, clients, grants, tokens and answers are the library's;
// ours is whom it trusts, and that nobody gets more than was given.
//
// Arguments: the issuer; its client and that one's secret; the one audience; and then, for each of those whose tokens it
// takes, a name and a key set. The first line it writes is its port on loopback.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The library's own example of a storage, with other people's tokens.
type store struct {
	*storage.Storage
	audience string
	trusted  map[string]jose.JSONWebKeySet
}

// A client whose access tokens are JWT.
type client struct{ op.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	known, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{known}, nil
}

func (s *store) VerifyExchangeSubjectToken(_ context.Context, token string, _ oidc.TokenType) (string, string, map[string]any, error) {
	return s.verify(token)
}

func (s *store) VerifyExchangeActorToken(_ context.Context, token string, _ oidc.TokenType) (string, string, map[string]any, error) {
	return s.verify(token)
}

func (s *store) verify(token string) (string, string, map[string]any, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return "", "", nil, err
	}
	var unverified jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&unverified); err != nil {
		return "", "", nil, err
	}
	keys, ok := s.trusted[unverified.Issuer]
	if !ok {
		return "", "", nil, errors.New("an issuer that nobody trusts")
	}
	var claims jwt.Claims
	all := map[string]any{}
	if err := parsed.Claims(keys, &claims, &all); err != nil {
		return "", "", nil, err
	}
	if err := claims.ValidateWithLeeway(jwt.Expected{Time: time.Now()}, 0); err != nil {
		return "", "", nil, err
	}
	return token, claims.Subject, all, nil
}

func (s *store) ValidateTokenExchangeRequest(_ context.Context, request op.TokenExchangeRequest) error {
	if request.GetRequestedTokenType() == "" {
		request.SetRequestedTokenType(oidc.AccessTokenType)
	}
	if !slices.Equal(request.GetAudience(), []string{s.audience}) {
		return &oidc.Error{ErrorType: "invalid_target", Description: "another audience"}
	}
	scope, _ := request.GetExchangeSubjectTokenClaims()["scope"].(string)
	allowed := strings.Fields(scope)
	for _, asked := range request.GetScopes() {
		if !slices.Contains(allowed, asked) {
			return oidc.ErrInvalidScope().WithDescription("more than the subject's token allows")
		}
	}
	return nil
}

func (s *store) GetPrivateClaimsFromTokenExchangeRequest(_ context.Context, request op.TokenExchangeRequest) (map[string]any, error) {
	claims := map[string]any{"scope": strings.Join(request.GetScopes(), " ")}
	if actor := request.GetExchangeActor(); actor != "" {
		claims["act"] = map[string]any{"sub": actor}
	}
	return claims, nil
}

func run(arguments []string) error {
	if len(arguments) < 4 || len(arguments)%2 != 0 {
		return errors.New("issuer client secret audience [name keys]...")
	}
	issuer, id, secret, audience, rest := arguments[0], arguments[1], arguments[2], arguments[3], arguments[4:]
	storage.RegisterClients(storage.WebClient(id, secret))
	own := &store{storage.NewStorage(storage.NewUserStore(issuer)), audience, map[string]jose.JSONWebKeySet{}}
	for pair := range slices.Chunk(rest, 2) {
		var keys jose.JSONWebKeySet
		if err := json.Unmarshal([]byte(pair[1]), &keys); err != nil {
			return err
		}
		own.trusted[pair[0]] = keys
	}
	provider, err := op.NewProvider(&op.Config{CryptoKeyId: "key"}, own, op.StaticIssuer(issuer))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return http.Serve(listener, provider)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
