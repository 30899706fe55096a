package dhcp4

import "strconv"

// OptionCode is the code of a DHCP option, a number of IANA's registry of BOOTP vendor extensions and DHCP options.
type OptionCode uint8

// Option codes, by the names of github.com/insomniacslk/dhcp/dhcpv4 with its typos mended. RFC 2132 unless said otherwise.
const (
	OptionPad                                        OptionCode = 0
	OptionSubnetMask                                 OptionCode = 1
	OptionTimeOffset                                 OptionCode = 2
	OptionRouter                                     OptionCode = 3
	OptionTimeServer                                 OptionCode = 4
	OptionNameServer                                 OptionCode = 5
	OptionDomainNameServer                           OptionCode = 6
	OptionLogServer                                  OptionCode = 7
	OptionQuoteServer                                OptionCode = 8
	OptionLPRServer                                  OptionCode = 9
	OptionImpressServer                              OptionCode = 10
	OptionResourceLocationServer                     OptionCode = 11
	OptionHostName                                   OptionCode = 12
	OptionBootFileSize                               OptionCode = 13
	OptionMeritDumpFile                              OptionCode = 14
	OptionDomainName                                 OptionCode = 15
	OptionSwapServer                                 OptionCode = 16
	OptionRootPath                                   OptionCode = 17
	OptionExtensionsPath                             OptionCode = 18
	OptionIPForwarding                               OptionCode = 19
	OptionNonLocalSourceRouting                      OptionCode = 20
	OptionPolicyFilter                               OptionCode = 21
	OptionMaximumDatagramAssemblySize                OptionCode = 22
	OptionDefaultIPTTL                               OptionCode = 23
	OptionPathMTUAgingTimeout                        OptionCode = 24
	OptionPathMTUPlateauTable                        OptionCode = 25
	OptionInterfaceMTU                               OptionCode = 26
	OptionAllSubnetsAreLocal                         OptionCode = 27
	OptionBroadcastAddress                           OptionCode = 28
	OptionPerformMaskDiscovery                       OptionCode = 29
	OptionMaskSupplier                               OptionCode = 30
	OptionPerformRouterDiscovery                     OptionCode = 31
	OptionRouterSolicitationAddress                  OptionCode = 32
	OptionStaticRoutingTable                         OptionCode = 33
	OptionTrailerEncapsulation                       OptionCode = 34
	OptionARPCacheTimeout                            OptionCode = 35
	OptionEthernetEncapsulation                      OptionCode = 36
	OptionDefaultTCPTTL                              OptionCode = 37
	OptionTCPKeepaliveInterval                       OptionCode = 38
	OptionTCPKeepaliveGarbage                        OptionCode = 39
	OptionNetworkInformationServiceDomain            OptionCode = 40
	OptionNetworkInformationServers                  OptionCode = 41
	OptionNTPServers                                 OptionCode = 42
	OptionVendorSpecificInformation                  OptionCode = 43
	OptionNetBIOSOverTCPIPNameServer                 OptionCode = 44
	OptionNetBIOSOverTCPIPDatagramDistributionServer OptionCode = 45
	OptionNetBIOSOverTCPIPNodeType                   OptionCode = 46
	OptionNetBIOSOverTCPIPScope                      OptionCode = 47
	OptionXWindowSystemFontServer                    OptionCode = 48
	OptionXWindowSystemDisplayManager                OptionCode = 49
	OptionRequestedIPAddress                         OptionCode = 50
	OptionIPAddressLeaseTime                         OptionCode = 51
	OptionOptionOverload                             OptionCode = 52 // of the encoding: never in a Message
	OptionDHCPMessageType                            OptionCode = 53
	OptionServerIdentifier                           OptionCode = 54
	OptionParameterRequestList                       OptionCode = 55
	OptionMessage                                    OptionCode = 56
	OptionMaximumDHCPMessageSize                     OptionCode = 57
	OptionRenewTimeValue                             OptionCode = 58
	OptionRebindingTimeValue                         OptionCode = 59
	OptionClassIdentifier                            OptionCode = 60
	OptionClientIdentifier                           OptionCode = 61
	OptionNetWareIPDomainName                        OptionCode = 62 // RFC 2242
	OptionNetWareIPInformation                       OptionCode = 63 // RFC 2242
	OptionNetworkInformationServicePlusDomain        OptionCode = 64
	OptionNetworkInformationServicePlusServers       OptionCode = 65
	OptionTFTPServerName                             OptionCode = 66
	OptionBootfileName                               OptionCode = 67
	OptionMobileIPHomeAgent                          OptionCode = 68
	OptionSimpleMailTransportProtocolServer          OptionCode = 69
	OptionPostOfficeProtocolServer                   OptionCode = 70
	OptionNetworkNewsTransportProtocolServer         OptionCode = 71
	OptionDefaultWorldWideWebServer                  OptionCode = 72
	OptionDefaultFingerServer                        OptionCode = 73
	OptionDefaultInternetRelayChatServer             OptionCode = 74
	OptionStreetTalkServer                           OptionCode = 75
	OptionStreetTalkDirectoryAssistanceServer        OptionCode = 76
	OptionUserClassInformation                       OptionCode = 77  // RFC 3004
	OptionSLPDirectoryAgent                          OptionCode = 78  // RFC 2610
	OptionSLPServiceScope                            OptionCode = 79  // RFC 2610
	OptionRapidCommit                                OptionCode = 80  // RFC 4039
	OptionFQDN                                       OptionCode = 81  // RFC 4702
	OptionRelayAgentInformation                      OptionCode = 82  // RFC 3046
	OptionInternetStorageNameService                 OptionCode = 83  // RFC 4174
	OptionNDSServers                                 OptionCode = 85  // RFC 2241
	OptionNDSTreeName                                OptionCode = 86  // RFC 2241
	OptionNDSContext                                 OptionCode = 87  // RFC 2241
	OptionBCMCSControllerDomainNameList              OptionCode = 88  // RFC 4280
	OptionBCMCSControllerIPv4AddressList             OptionCode = 89  // RFC 4280
	OptionAuthentication                             OptionCode = 90  // RFC 3118
	OptionClientLastTransactionTime                  OptionCode = 91  // RFC 4388
	OptionAssociatedIP                               OptionCode = 92  // RFC 4388
	OptionClientSystemArchitectureType               OptionCode = 93  // RFC 4578
	OptionClientNetworkInterfaceIdentifier           OptionCode = 94  // RFC 4578
	OptionLDAP                                       OptionCode = 95  // RFC 3679
	OptionClientMachineIdentifier                    OptionCode = 97  // RFC 4578
	OptionOpenGroupUserAuthentication                OptionCode = 98  // RFC 2485
	OptionGeoConfCivic                               OptionCode = 99  // RFC 4776
	OptionIEEE10031TZString                          OptionCode = 100 // RFC 4833
	OptionReferenceToTZDatabase                      OptionCode = 101 // RFC 4833
	OptionIPv6OnlyPreferred                          OptionCode = 108 // RFC 8925
	OptionNetInfoParentServerAddress                 OptionCode = 112 // RFC 3679
	OptionNetInfoParentServerTag                     OptionCode = 113 // RFC 3679
	OptionURL                                        OptionCode = 114 // RFC 8910: the captive portal
	OptionAutoConfigure                              OptionCode = 116 // RFC 2563
	OptionNameServiceSearch                          OptionCode = 117 // RFC 2937
	OptionSubnetSelection                            OptionCode = 118 // RFC 3011
	OptionDNSDomainSearchList                        OptionCode = 119 // RFC 3397
	OptionSIPServers                                 OptionCode = 120 // RFC 3361
	OptionClasslessStaticRoute                       OptionCode = 121 // RFC 3442
	OptionCCC                                        OptionCode = 122 // RFC 3495
	OptionGeoConf                                    OptionCode = 123 // RFC 6225
	OptionVendorIdentifyingVendorClass               OptionCode = 124 // RFC 3925
	OptionVendorIdentifyingVendorSpecific            OptionCode = 125 // RFC 3925
	OptionPANAAuthenticationAgent                    OptionCode = 136 // RFC 5192
	OptionLoSTServer                                 OptionCode = 137 // RFC 5223
	OptionCAPWAPAccessControllerAddresses            OptionCode = 138 // RFC 5417
	OptionOPTIONIPv4AddressMoS                       OptionCode = 139 // RFC 5678
	OptionOPTIONIPv4FQDNMoS                          OptionCode = 140 // RFC 5678
	OptionSIPUAConfigurationServiceDomains           OptionCode = 141 // RFC 6011
	OptionOPTIONIPv4AddressANDSF                     OptionCode = 142 // RFC 6153
	OptionForceRenewNonceCapable                     OptionCode = 145 // RFC 6704
	OptionTFTPServerAddress                          OptionCode = 150 // RFC 5859
	OptionStatusCode                                 OptionCode = 151 // RFC 6926
	OptionBaseTime                                   OptionCode = 152 // RFC 6926
	OptionStartTimeOfState                           OptionCode = 153 // RFC 6926
	OptionQueryStartTime                             OptionCode = 154 // RFC 6926
	OptionQueryEndTime                               OptionCode = 155 // RFC 6926
	OptionDHCPState                                  OptionCode = 156 // RFC 6926
	OptionDataSource                                 OptionCode = 157 // RFC 6926
	OptionV4DNR                                      OptionCode = 162 // RFC 9463
	OptionPXELinuxMagicString                        OptionCode = 208 // RFC 5071
	OptionPXELinuxConfigFile                         OptionCode = 209 // RFC 5071
	OptionPXELinuxPathPrefix                         OptionCode = 210 // RFC 5071
	OptionPXELinuxRebootTime                         OptionCode = 211 // RFC 5071
	OptionOPTION6RD                                  OptionCode = 212 // RFC 5969
	OptionOPTIONv4AccessDomain                       OptionCode = 213 // RFC 5986
	OptionSubnetAllocation                           OptionCode = 220 // RFC 6656
	OptionVirtualSubnetAllocation                    OptionCode = 221 // RFC 6607
	OptionEnd                                        OptionCode = 255
)

// String returns the option's name in IANA's registry, in words, or "OptionCode(224)" for one without a constant here.
func (c OptionCode) String() string {
	if name := optionNames[c]; name != "" {
		return name
	}
	return "OptionCode(" + strconv.Itoa(int(c)) + ")"
}
