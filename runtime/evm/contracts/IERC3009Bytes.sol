// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The part of EIP-7598 that a vault calls
/// @notice EIP-3009 with a signature of any length, so that contract wallets (ERC-1271) can authorise
/// too, as USDC has it since version 2.2. OpenZeppelin's draft of EIP-3009 has it not.
interface IERC3009Bytes {
    /// @notice Moves `value` from `from` to the caller, who is `to`, by the signature of `from`.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
